"""The clusters' clocks: what cpufreq shows, the kernel's own caps, who sets them and how."""
