"""redis: the queue's server on a unix socket, every write on disk at once."""

from .process import Server, drop_to, give, identity, run


class Redis(Server):
    name = "redis"

    def __init__(self, directory):
        super().__init__(directory)
        self.owner = identity("redis")
        self.data = self.directory / "data"
        self.socket = self.data / "redis.sock"

    def prepare(self):
        give(self.data, self.owner, 0o755)
        settings = {
            "port": 0, "unixsocket": self.socket, "unixsocketperm": 777,
            "dir": self.data, "daemonize": "no", "save": '""',
            "appendonly": "yes", "appendfsync": "always",
            "maxmemory": "512mb", "maxmemory-policy": "noeviction",
        }
        (self.directory / "redis.conf").write_text("".join(
            "%s %s\n" % item for item in settings.items()))

    def command(self):
        return drop_to(self.owner) + ["/usr/bin/redis-server",
                                      self.directory / "redis.conf"]

    def is_ready(self):
        return self.query("PING", check=False) == "PONG"

    def query(self, *words, check=True):
        """Ask with redis-cli; returns what it printed."""
        return run(["redis-cli", "-s", self.socket] + list(words),
                   check=check).stdout.decode("utf-8", "replace").strip()

    def data_files(self):
        return [path for path in self.data.rglob("*") if path.is_file()]
