"""Measurements that need the packages in this process; `./run bench` starts them as programs of their own."""
