"""The clocks of the cores: reading them, and the two ways to steer them."""

from platforms.linux.clocks.actuators import Actuator, Cap, SetSpeed
from platforms.linux.clocks.frequency_domain import DomainReading, FrequencyDomain, find_domains

__all__ = ["Actuator", "Cap", "DomainReading", "FrequencyDomain", "SetSpeed", "find_domains"]
