"""A cluster of real processes on this machine: each role can be killed, frozen, stopped and started by itself.

```python
async with cluster_stand(tmp_path, instances=2) as stand:
    number = await stand.link()                       # a number of a new workspace, linked to a simulated phone
    customer = await stand.customer()
    await stand.traffic.customer_writes(customer, number, 10)
    await stand.traffic.we_write(number, customer, 10)
    owner = await stand.owner_of(number)              # the role that serves it now
    await owner.kill("both")                          # or "python", "engine"; freeze and thaw likewise
    await stand.moved(number, owner)                  # somebody else has it and is connected
    (await stand.traffic.complete()).expect_nothing_lost()
```

The simulated network runs in the test's own process (`stand.network`). The database is a private PostgreSQL that can be
killed and restarted (`stand.database_server`), or any server by URL.
"""

from tests.support.cluster.gateways import Gateways
from tests.support.cluster.role import Role, What
from tests.support.cluster.stand import ClusterStand, Number, Workspace, cluster_stand
from tests.support.cluster.traffic import Counts, Traffic

__all__ = [
    "ClusterStand",
    "Counts",
    "Gateways",
    "Number",
    "Role",
    "Traffic",
    "What",
    "Workspace",
    "cluster_stand",
]
