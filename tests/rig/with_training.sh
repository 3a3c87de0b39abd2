#!/bin/sh
# In the guest: run a command with PyTorch and Flower on its path; sh with_training.sh COMMAND ...
nine="trans=virtio,version=9p2000.L,msize=512000,cache=loose"
mkdir -p /training
mount -t 9p -o "$nine,ro" training /training || exit 1
# Thousands of compiled files are read by each of Flower's programs: the guest keeps them.
umount /compiled
mount -t 9p -o "$nine" compiled /compiled || exit 1
export PYTHONPATH=/repo:/site:/training:/out/metadata
# A thread that waits for others by turning round and round keeps them from running: all emulated cores
# share one thread of the host.
export OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=0
# pip would have made Flower's commands of these lines.
sed -n '/^\[console_scripts\]/,/^$/s/^\([a-z-]*\) *= *\([a-z._]*\):\(.*\)$/\1 \2 \3/p' \
	/training/flwr-*.dist-info/entry_points.txt |
	while read -r name module function; do
		printf '#!/usr/bin/python3\nimport sys\nfrom %s import %s\nsys.exit(%s())\n' \
			"$module" "$function" "$function" >"/usr/bin/$name"
		chmod 755 "/usr/bin/$name"
	done
exec "$@"
