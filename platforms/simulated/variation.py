"""Variants of an application: no program or input gives the published profile exactly."""

import msgspec
import numpy as np

from platforms.application import ApplicationProfile, CoreProfile
from platforms.errors import InvalidInput


def varied(
    profile: ApplicationProfile, rng: np.random.Generator, *, share: float
) -> ApplicationProfile:
    """The profile with its cpi (per core type) and stall scaled by up to +-`share`.

    15 % is what the reference recommends for profiles that were carried over from another core. The
    stall, and the memory traffic that causes it, vary alike on all core types; cpi varies per type,
    so that the advantage of a big core varies too. Raises InvalidInput unless 0 <= `share` < 1.
    """
    if not 0.0 <= share < 1.0:
        raise InvalidInput(f"variation must be a share of 0 up to, not including, 1 (got {share})")
    if share == 0.0:
        return profile
    memory = 1.0 + share * rng.uniform(-1.0, 1.0)
    core_profiles = {
        core_type: CoreProfile(
            cpi=core.cpi * (1.0 + share * rng.uniform(-1.0, 1.0)),
            stall_s=core.stall_s * memory,
        )
        for core_type, core in sorted(profile.core_profiles.items())
    }
    return msgspec.structs.replace(
        profile,
        core_profiles=core_profiles,
        bytes_per_instruction=profile.bytes_per_instruction * memory,
        l2d_per_instruction=profile.l2d_per_instruction * memory,
    )
