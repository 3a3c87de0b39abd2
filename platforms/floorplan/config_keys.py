"""The keys of HotSpot's configuration files: which count here, which do not, which cannot."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NumberKey:
    """A key with a number: the range that makes sense, in HotSpot's unit."""

    unit: str
    low: float
    high: float


_LENGTH = NumberKey("m", 1e-9, 0.1)
_SIDE = NumberKey("m", 1e-5, 2.0)
_CONDUCTIVITY = NumberKey("W/(m K)", 1e-4, 1e4)
_HEAT = NumberKey("J/(m3 K)", 1e2, 1e8)
_KELVIN = NumberKey("K", 150.0, 1000.0)

NUMBERS = {
    **dict.fromkeys(("t_chip", "t_interface", "t_spreader", "t_sink"), _LENGTH),
    **dict.fromkeys(("s_spreader", "s_sink"), _SIDE),
    **dict.fromkeys(("k_chip", "k_interface", "k_spreader", "k_sink"), _CONDUCTIVITY),
    **dict.fromkeys(("p_chip", "p_interface", "p_spreader", "p_sink"), _HEAT),
    **dict.fromkeys(("ambient", "init_temp", "thermal_threshold"), _KELVIN),
    "r_convec": NumberKey("K/W", 0.0, 1e5),
    "c_convec": NumberKey("J/K", 0.0, 1e7),
    "sampling_intvl": NumberKey("s", 1e-9, 1e6),
}
"""What the block model is made of."""

FLAGS = ("dtm_used", "leakage_used", "block_omit_lateral")
"""Keys that are 0 or 1, and count."""

MATERIALS = ("material_chip", "material_interface", "material_spreader", "material_sink")
"""Keys that name a material of the list of materials."""

REFUSED = {
    "model_secondary": ("0", "HotSpot's block model has no secondary path, its grid model has"),
    "package_model_used": (
        "0",
        "the fan and fin model is not built; give the r_convec that it yields",
    ),
    "leakage_mode": ("0", "HotSpot itself has no other mode"),
    "model_type": ("block", "the grid model is not built"),
    "grid_layer_file": ("(null)", "stacked layers are not built"),
    "use_microfluidic_cooling": ("0", "channels of coolant are not built"),
    "use_microchannels": ("0", "channels of coolant are not built"),
    "detailed_3d": ("off", "stacked layers are not built"),
    "detailed_3d_used": ("0", "stacked layers are not built"),
}
"""The only value that each of these may have, and why."""

IGNORED = frozenset(
    (
        # What HotSpot writes, and where it finds what is an option here
        *("steady_file", "grid_steady_file", "grid_transient_file", "materials_file"),
        *("base_proc_freq", "package_config_file"),
        # The secondary path, without which these say nothing
        *("r_convec_sec", "c_convec_sec", "n_metal", "t_metal", "t_c4", "s_c4", "n_c4"),
        *("s_sub", "t_sub", "s_solder", "t_solder", "s_pcb", "t_pcb"),
        # The grid model and its coolant
        *("grid_rows", "grid_cols", "grid_map_mode"),
        *("pumping_pressure", "pump_internal_res", "inlet_temperature", "coolant_material"),
        *("coolant_capac", "coolant_res", "coolant_visc", "wall_material", "wall_capac"),
        *("wall_res", "htc", "floorplan_file", "network_file"),
        # HotFloorplan's search for a floorplan
        *("wrap_l2", "l2_label", "model_rim", "rim_thickness", "compact_ratio", "n_orients"),
        *("p0", "davg", "kmoves", "rcool", "rreject", "nmax", "lambdaa", "lambdat", "lambdaw"),
        # The fan and fin model of package_model_used
        *("natural_convec", "flow_type", "sink_type", "fin_height", "fin_width", "fin_num"),
        *("channel_width", "pin_height", "pin_diam", "pin_dist", "fan_radius", "motor_radius"),
        *("rpm",),
    )
)
"""Keys of HotSpot that change nothing in its block model."""

KNOWN = frozenset((*NUMBERS, *FLAGS, *MATERIALS, *REFUSED, *IGNORED, "init_file"))
"""All of them, in lower case: HotSpot does not heed it."""
