"""Your pictures: a zip file or a folder of somebody's own becomes a data set to train on."""

from latentscape.ui import address
from latentscape.ui.data.view import data_view
from latentscape.ui.shell import begin

begin("Your pictures")
address.say_nothing()
data_view()
