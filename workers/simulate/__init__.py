"""A live origin of our own: HLS and DASH of real encodes, published on the wall clock, with faults on command."""

from workers.simulate.encodes import Encodes, Plan, prepare
from workers.simulate.faults import KINDS, Fault, Kind, Scripted, scripted, scripted_list
from workers.simulate.origin import Origin

__all__ = ["KINDS", "Encodes", "Fault", "Kind", "Origin", "Plan", "Scripted", "prepare", "scripted", "scripted_list"]
