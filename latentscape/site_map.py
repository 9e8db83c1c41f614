"""The pages there are. It imports nothing: the server reads it before it knows torch."""

PAGES = {  # file -> title, icon, address; the first is the start page
    "pages/home.py": ("Home", ":material/home:", ""),
    "pages/map.py": ("Map", ":material/scatter_plot:", "map"),
    "pages/explore.py": ("Explore", ":material/touch_app:", "explore"),
    "pages/pixels.py": ("Pixels", ":material/grid_on:", "pixels"),
    "pages/data.py": ("Your pictures", ":material/photo_library:", "data"),
    "pages/train.py": ("Train", ":material/model_training:", "train"),
    "pages/sweep.py": ("Sweep beta", ":material/ssid_chart:", "sweep"),
    "pages/compare.py": ("Compare", ":material/leaderboard:", "compare"),
    "pages/restore.py": ("Restore", ":material/healing:", "restore"),
    "pages/autoencoders.py": ("Autoencoders", ":material/hourglass:", "autoencoders"),
}
GROUPS = {  # of the side bar: what a person comes for -> addresses; the start page stands above them
    "Walk": ("map", "explore", "pixels"),
    "Make": ("data", "train", "sweep"),
    "Compare": ("compare", "restore", "autoencoders"),
}
NAME = "Latentscape"
FIRST_MODEL = "mnist-2d"  # what a visitor meets
NEED_AN_ENCODER = ("map",)  # addresses of the pages whose model says where an image lies
WITH_A_PAD = ("", "explore")  # addresses of the pages that begin with one


def tab_title(title: str, address: str) -> str:
    """What the browser's tab of a page says."""
    return f"{title} · {NAME}" if address else NAME
