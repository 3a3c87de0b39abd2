"""Variants of an application: no program or input gives the published profile exactly.

`varied` says how well a profile is known, `related` makes other programs of it.
"""

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
    _check(share, "variation")
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


def related(
    profile: ApplicationProfile, rng: np.random.Generator, *, share: float
) -> ApplicationProfile:
    """Another program: cpi, memory stalls and L2 accesses each scaled on their own.

    Each is scaled by up to +-`share`, alike on all core types, so the advantage of a big core stays
    what it is. A few known programs thus stand for many, as one would record more programs on a
    real board. Raises InvalidInput unless 0 <= `share` < 1.
    """
    _check(share, "diversity")
    if share == 0.0:
        return profile
    compute, memory, l2d = (1.0 + share * rng.uniform(-1.0, 1.0) for _ in range(3))
    return msgspec.structs.replace(
        profile,
        core_profiles={
            core_type: CoreProfile(cpi=core.cpi * compute, stall_s=core.stall_s * memory)
            for core_type, core in profile.core_profiles.items()
        },
        bytes_per_instruction=profile.bytes_per_instruction * memory,
        l2d_per_instruction=profile.l2d_per_instruction * l2d,
    )


def _check(share: float, name: str) -> None:
    if not 0.0 <= share < 1.0:
        raise InvalidInput(f"{name} must be a share of 0 up to, not including, 1 (got {share})")
