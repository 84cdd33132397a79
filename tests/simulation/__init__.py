"""The whole system in one process under one seed: a shop, the client, the vendor, and everything between that fails.

``python -m tests.simulation --seeds 100`` runs a hundred worlds, ``--seed 7`` one of them with its timeline. In each, a
shop with a web service and a bulk job orders couriers from the sandbox, while a schedule of faults happens to the
network, the vendor, the clocks, the database and the processes. Time is virtual; no socket is opened.

`schedule` says what goes wrong, `shop` what the shop does, `invariants` what must hold all the same, `world` puts them
together; `machine`, `network` and `disk` are the computer. `faults_put_back` takes mends out of the package, one at a
time, to see whether the simulation notices.
"""
