"""The trainings of this server."""

from latentscape.once import once
from latentscape.ui.own import store
from latentscape.work.cluster import cluster
from latentscape.work.jobs import Jobs


@once
def jobs() -> Jobs:
    """The one Jobs, in the budget of the one store."""
    return Jobs(cluster(), store())
