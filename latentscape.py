"""The project's name as a module: Streamlit finds the component's assets through the pyproject.toml beside it."""
