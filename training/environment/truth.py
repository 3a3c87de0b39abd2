"""What only the simulation knows: for plots and for judging an agent, never for the agent."""

from platforms.simulated.simulated_board import SimulatedBoard
from rm.evaluation.outcome import MISS_BELOW


def truth(simulated: SimulatedBoard) -> dict[str, float | str]:
    """The board as it is now.

    `cooling` is the setup in force, `peak_temp_c` the hottest node, `sensor_temp_c` the temperature
    where the first sensor sits, both without noise; `power_w` the SoC's power; `energy_j` and
    `throttled_s` count since the start of the episode. `applications` came so far, of them `missed`
    are below `MISS_BELOW` of their target over their life.
    """
    lives = simulated.records()
    missed = [life for life in lives if life.mean_ips < MISS_BELOW * life.job.target_ips]
    return {
        "cooling": simulated.cooling.name,
        "peak_temp_c": float(simulated.temperatures_c.max()),
        "sensor_temp_c": simulated.sensor_temp_c,
        "power_w": float(simulated.power_w.sum()),
        "energy_j": simulated.energy_j,
        "throttled_s": simulated.throttled_s,
        "applications": float(len(lives)),
        "missed": float(len(missed)),
    }
