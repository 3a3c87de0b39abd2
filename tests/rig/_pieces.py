import subprocess, sys
from pathlib import Path
from benchmarks.daemon_overhead import bench
from tests.rig.governed import write_configuration
from tests.rig.instruction_time import instructions_of

ps = [subprocess.Popen(["sleep", "3600"]) for _ in range(8)]
for policy in ("ilgov",):
    with bench(write_configuration(f'policy = "{policy}"'), Path("/"), [p.pid for p in ps]) as b:
        b.live(40)
        d = b._daemon
        pl = d._opened.platform
        m = pl._machine
        now = d._clock.now_s()
        obs = pl.observe()
        print(d._supervisor.states.state, [a.rate for a in d.status().applications])

        def show(n, f):
            print(f"{n:24} {instructions_of(f, rounds=20).least}", flush=True)

        show("clusters.read", lambda: m.clusters.read(now))
        show("reader.read", lambda: m.reader.read(pl._applications(), (1e9, 1e9), 0.05))
        show("core_time", m.core_time.read)
        show("zones", lambda: m.zones.read(now))
        show("online", m.online.read)
        show("observe", pl.observe)
        show("sensors", lambda: d._supervisor._sensors.problem(pl.observe()))
        show("admits+observe", lambda: d._supervisor.admits(pl.observe()))
        show("scale+observe", lambda: d._policy.scale(pl.observe()))
        show("policy.scale", lambda: d._policy._policy.scale(obs))
        show("scaling only", lambda: d._policy._policy._scaling.scale(obs))
        show("migrate+observe", lambda: d._policy.migrate(pl.observe()))
        dec = __import__("platforms.platform", fromlist=["Decision"]).Decision((), obs.opp_index)
        show("limit", lambda: d._supervisor.limit(obs, dec))
        show("after_round", lambda: d._after_round(obs, dec))
        show("dvfs_round", b.dvfs_round)
        show("now_s", d._clock.now_s)
        show("scan table", d._table.scan)
        show("apps.update", lambda: d._applications.update(d._table.scan(), now))
        show("rescan", pl.rescan)
        show("hold", pl.hold)
for p in ps:
    p.kill()
