"""`make capacity`: what a request costs on AWS, and what gives way first when there are a great many.

Lives (`infra.bench.life`) are lived on the laptop's cloud and every call is counted (`meter`, `lives`). A day's load is
generated and held against the partition keys that the stores' own functions make (`load`, `contention`). List prices
and quotas are data (`prices.json`, `quotas.json`). `page` makes docs/capacity.md of all that.
"""
