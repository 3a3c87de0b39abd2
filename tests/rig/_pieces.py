import subprocess,sys,os
from pathlib import Path
from benchmarks.daemon_overhead import bench
from tests.rig.governed import write_configuration
from tests.rig.instruction_time import instructions_of
ps=[subprocess.Popen(["sleep","3600"]) for _ in range(8)]
for policy in ("ilgov",):
  with bench(write_configuration(f'policy = "{policy}"'), Path("/"), [p.pid for p in ps]) as b:
    b.live(40)
    d=b._daemon; pl=d._opened.platform; m=pl._machine
    now=d._clock.now_s()
    obs=pl.observe()
    print(d._supervisor.states.state, [a.rate for a in d.status().applications])
    def show(n,f): print(f"{n:24} {instructions_of(f,rounds=20).least}", flush=True)
    show("clusters.read",lambda: m.clusters.read(now))
    show("reader.read",lambda: m.reader.read(pl._applications(),(1e9,1e9),0.05))
    show("core_time",m.core_time.read)
    t=m.core_time._file.read_start(1152)
    import platforms.linux.core_time as ct
    show(" parse",lambda: ct.parse_account(t))
    show(" file",lambda: m.core_time._file.read_start(1152))
    fd=os.open("/proc/stat",os.O_RDONLY)
    show(" bare pread",lambda: os.pread(fd,1152,0))
    show("zones",lambda: m.zones.read(now))
    show("online",m.online.read)
    show("observe",pl.observe)
    app=next(iter(m.reader._known.values())); k=app.process.key
    show(" counters.read",lambda: m.reader._counters.read(k))
    tc=m.reader._counters._followed[k]; print(len(tc._leaders),tc._size)
    show(" bare perf read",lambda: os.read(tc._leaders[0],tc._size))
    show(" meter.read",lambda: app.meter.read(0.05,1e9))
    show(" mask",app._read_mask)
    show(" bare mask",lambda: os.sched_getaffinity(k.pid))
    show(" app.read",lambda: app.read((1e9,1e9),0.05,d._clock.now_s()+1))
    show(" cluster0",lambda: m.clusters._read(m.clusters._steered[0],now))
    show(" domain0.read",lambda: m.clusters._steered[0].actuator.domain.read())
    f=os.open("/sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq",os.O_RDONLY)
    show(" bare sysfs",lambda: os.pread(f,4096,0))
    show("admits+observe",lambda: d._supervisor.admits(pl.observe()))
    show("scale+observe",lambda: d._policy.scale(pl.observe()))
    show("policy.scale",lambda: d._policy._policy.scale(obs))
    show("dvfs_round",b.dvfs_round)
for p in ps: p.kill()
