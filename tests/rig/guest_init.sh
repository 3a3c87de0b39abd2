#!/bin/busybox sh
# The guest's first process: file systems, drivers, shared folders; then the command, then power off.
/bin/busybox --install -s /bin
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for folder in /dev/shm /tmp /run; do mount -t tmpfs tmpfs $folder; done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
ip link set lo up
while read -r module; do
	insmod "/modules/$module" || echo "rig: $module cannot be loaded"
done </modules/order
nine="trans=virtio,version=9p2000.L,msize=512000"
mount -t 9p -o "$nine,ro,cache=loose" repo /repo
mount -t 9p -o "$nine,ro,cache=loose" site /site
mount -t 9p -o "$nine" out /out
mount -t 9p -o "$nine" compiled /compiled
# Policies and zones appear a moment after their drivers.
tries=50
until [ -e /sys/devices/system/cpu/cpufreq/policy0 ] && [ -e /sys/class/thermal/thermal_zone0 ]; do
	tries=$((tries - 1))
	[ $tries -gt 0 ] || { echo "rig: no cpufreq policy or no thermal zone"; break; }
	sleep 0.1
done
if grep -q rig=systemd /proc/cmdline; then
	# Sandboxes need a root file system that can be left, which the first one cannot.
	mkdir /newroot
	mount -t tmpfs -o mode=755 tmpfs /newroot
	for folder in /bin /sbin /lib /usr /etc /var /root; do
		[ ! -e $folder ] || cp -a $folder /newroot
	done
	umount /tmp
	mkdir /newroot/tmp
	for folder in dev proc sys run repo site out compiled; do
		mkdir /newroot/$folder
		mount --move /$folder /newroot/$folder
	done
	exec switch_root /newroot /usr/lib/systemd/systemd --unit=rig.target
fi
# Compiled Python files are kept on the host; numpy needs no threads of its own.
export PYTHONPATH=/out/metadata:/repo:/site PYTHONPYCACHEPREFIX=/compiled
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
cut -d' ' -f1 /proc/uptime >/out/up_s
cd /repo
if grep -q rig=shell /proc/cmdline; then
	setsid cttyhack sh
else
	sh /out/command </dev/null >>/out/output 2>&1
	echo $? >/out/exit_code
	cut -d' ' -f1 /proc/uptime >/out/down_s
fi
sync
poweroff -f
