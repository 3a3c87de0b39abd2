"""Give back what only the start needed."""

import gc

from npu_runtime.resident_code import give_back_files


def give_back_start_up_memory() -> int:
    """Bytes of mappings that were offered to the kernel, see `npu_runtime.resident_code`.

    Collects garbage first; what lives now is not looked at by later collections.
    """
    gc.collect()
    gc.freeze()
    return give_back_files()
