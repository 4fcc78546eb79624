"""Scenarios: settings with units and provenance, from YAML to the arrays that the cell computes with."""

from genedge.scenario.load import as_texts as as_texts
from genedge.scenario.load import load_scenario as load_scenario
from genedge.scenario.load import presets as presets
from genedge.scenario.load import read_scenario as read_scenario
from genedge.scenario.recorded import with_slots as with_slots
from genedge.scenario.scenario import Scenario as Scenario
from genedge.scenario.scenario import refuse_box as refuse_box
from genedge.scenario.sections import DrawnModels as DrawnModels
from genedge.scenario.sections import GivenModel as GivenModel
