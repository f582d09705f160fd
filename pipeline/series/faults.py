"""What an error of Redis means for us: wait (`Unavailable`), or a person must do something (`UsageError`)."""

import re

from redis import exceptions as said

from pipeline.errors import RungwatchError, Unavailable, UsageError

WAITED_FOR = {
    "LOADING": "it is still reading its data",
    "BUSY": "it is busy with a script",
    "READONLY": "it is a replica: a failover is going on, or the address is not the primary's",
    "MASTERDOWN": "its primary is away",
    "NOREPLICAS": "too few of its replicas are there to write",
    "CLUSTERDOWN": "the cluster is down: slots without a node",
    "TRYAGAIN": "the cluster is moving slots",
    "OOM": "it is full: raise its maxmemory, or shorten RUNGWATCH_REDIS_RAW_SECONDS",
    "MISCONF": "it cannot write to its disk: free some space, or see its log",
}
"""By the code of the reply. A full Redis is waited for as well: points expire, and nothing is lost meanwhile."""
MENDED = {
    "WRONGTYPE": "a key of ours holds something else: give RUNGWATCH_REDIS_PREFIX a value of its own",
    "NOPERM": "the user may not do this: allow it EVALSHA, SCRIPT LOAD, PUBLISH, PSUBSCRIBE, and reading and writing "
    "hashes and sorted sets, on keys and channels that start with the prefix (RUNGWATCH_REDIS_PREFIX)",
    **dict.fromkeys(
        ("MOVED", "ASK", "CROSSSLOT"),
        "it is a node of a cluster: write RUNGWATCH_REDIS_URL as redis+cluster://host:port,host:port",
    ),
}
_NOT_LET_IN = (said.AuthenticationError, said.AuthorizationError, said.AuthenticationWrongNumberOfArgsError)
_CODE = re.compile(r"(?:^|[ :-])(" + "|".join((*WAITED_FOR, *MENDED)) + r")\b")


def meaning(error: BaseException, where: str, *, cluster: bool = False) -> RungwatchError:
    """Return our error for one of Redis; `where` is its address without user and password."""
    text = f"{error}"
    # Who did not log in may send short commands only: that is what is told of a long one.
    if isinstance(error, _NOT_LET_IN) or "unauthenticated" in text:
        return UsageError(
            f"Redis at {where} does not accept the user or password: give them in RUNGWATCH_REDIS_URL "
            "(redis://user:password@host; special characters percent-encoded)"
        )
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text:
        return UsageError(
            f"Redis at {where} has a certificate that is not trusted: name its authority in RUNGWATCH_REDIS_CA_FILE, "
            "and use the host name that the certificate is for"
        )
    code = getattr(error, "status_code", None) or ""
    # Inside of a script the code stands somewhere in the sentence, and Redis 6.2 and 7 put it in other places.
    found = _CODE.search(text)
    code = code if code in WAITED_FOR or code in MENDED else found.group(1) if found else ""
    if cluster and code in ("MOVED", "ASK"):  # followed several times, and still moving
        code = "TRYAGAIN"
    if code in MENDED:
        return UsageError(f"Redis at {where}: {MENDED[code]}")
    if code in WAITED_FOR:
        return Unavailable(f"Redis at {where} cannot be used now: {WAITED_FOR[code]}")
    if isinstance(error, said.NoScriptError):
        return Unavailable(f"Redis at {where} forgot the script that was just loaded: it was restarted, try again")
    if isinstance(error, said.TimeoutError):
        return Unavailable(
            f"Redis at {where} did not answer in time (RUNGWATCH_REDIS_TIMEOUT_SECONDS): it is waited for; "
            "see that it runs and is not overloaded"
        )
    if isinstance(error, (said.ConnectionError, said.ClusterError, said.RedisClusterException, OSError)):
        return Unavailable(
            f"Redis at {where} cannot be reached ({_first_line(text)}): see that it runs and that "
            "RUNGWATCH_REDIS_URL is right"
        )
    return UsageError(
        f"Redis at {where} refuses what is asked of it: {_first_line(text)}; version 6.2 or newer is needed"
    )


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:300].rstrip(". ") if text.strip() else "no reason given"
