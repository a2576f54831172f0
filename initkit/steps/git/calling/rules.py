"""What git, ssh and git-lfs say when they fail, and what helps then; how it is looked for is known to `failures`."""

from __future__ import annotations

from typing import NamedTuple

from initkit.core.errors import InitkitError, PermanentError, SuspectError, TemporaryError
from initkit.steps.git.calling.answers import CHECK_CREDENTIAL


class DamagedError(PermanentError):
    """Objects are broken or missing: in our own store, which can be made anew, or where they come from."""


class HostKeyError(PermanentError):
    """A server's key is not the one that it must have."""


class RefError(SuspectError):
    """The remote has no such ref."""


class OtherFormatError(PermanentError):
    """The remote names its objects by another hash than the repository that they were to go to."""


class Rule(NamedTuple):
    """What a line that matches a pattern, in whatever case, means."""

    pattern: str
    error: type[InitkitError]
    advice: str


VOLUME = "free some space, or give the volume more"
WRITE = "make the folder writable for this user (fsGroup, or a perms step before)"
READ_ONLY = "mount the volume without readOnly"
_MEMORY = "check the server: nothing sound needs so much; of a very large repository fetch less by --depth"
_KILLED = "give the container more memory, if it was ended for using too much"
LOCAL = (VOLUME, WRITE, READ_ONLY, _MEMORY, _KILLED)
_REPOSITORY = "check the repository's URL, and that the credential may see it"
_CERTIFICATE = "give the certificate of the server's authority with --ca-file"
_HOST = "check the URL's host: the certificate is another host's"

# what ssh says of itself and of the server; the server's own words come by the same way
_HOST_KEY = "if the server has been given a new key, check it and give it in --known-hosts or --host-key-fingerprint"
_SSH = (
    Rule(r"key sent by the remote host is ", HostKeyError, _HOST_KEY),
    Rule(
        r"no \S+ host key is known for|host key verification failed",
        HostKeyError,
        "put its key, as ssh-keyscan prints it, in the file of --known-hosts once it was compared",
    ),
    Rule(r"load key .*: ", PermanentError, "check the file of --ssh-key-file: ssh cannot use it"),
    Rule(
        r"permission denied \(|too many authentication failures",
        SuspectError,
        "check the user in the URL, and that the key of --ssh-key-file may read the repository (a deploy key)",
    ),
    Rule(r"no matching (?:host key|key exchange|cipher|mac)", SuspectError, "have the server offer newer algorithms"),
    Rule(r"could not be found or you don't have permission|cannot find repository", SuspectError, _REPOSITORY),
    Rule(
        r"kex_exchange_identification|ssh_exchange_identification|^connection (?:to \S+ )?(?:closed|reset)"
        r"|^timeout, server|banner exchange|broken pipe",
        TemporaryError,
        "",
    ),
)

# what git-lfs says of a server; for all else it has the words of others
_LFS = (
    Rule(r"'lfs' is not a git command", PermanentError, "take the image with git-lfs, or publish without --lfs"),
    Rule(r"expected oid \w+, got", SuspectError, "push the file again: the server has something else under its name"),
    Rule(r"\] object does not exist", SuspectError, "push the file with git lfs push"),
    Rule(r"batch response: authorization error", SuspectError, CHECK_CREDENTIAL),
    Rule(r"repository or object not found|lfs: client error", SuspectError, _REPOSITORY),
    Rule(r"batch response: (?:fatal error: server error|rate limit)|lfs: .*server error", TemporaryError, ""),
)

# the first one that matches decides: what a person must change stands before what follows from it
RULES = (
    # of a file that it checks out git does not say why it could not be written, only why it could not be made
    Rule(r"no space left on device|disk quota exceeded|unable to write file", PermanentError, VOLUME),
    Rule(r"read-only file system", PermanentError, READ_ONLY),
    Rule(r"\bout of memory\b|cannot allocate memory", PermanentError, _MEMORY),
    Rule(r"died of signal 9\b", TemporaryError, _KILLED),
    Rule(
        r"(?:unable to|cannot|could not|couldn't) (?:create|write|open|mkdir|unlink|stat|rename)\b.*permission denied"
        r"|insufficient permission for adding an object",
        PermanentError,
        WRITE,
    ),
    *_SSH,
    *_LFS,
    Rule(r"dubious ownership", PermanentError, "give the path of the repository itself, not of a link to it"),
    Rule(
        r"cannot run sh\b", PermanentError, "serve the repository over http or git: reading from a path needs a shell"
    ),
    Rule(r"remote helper '\S+'|'remote-\w+' is not a git command", PermanentError, "install git with its HTTP helper"),
    Rule(
        r"transport '\S+' not allowed|protocol \S+ (?:is )?(?:not supported|disabled)",
        PermanentError,
        "give the URL that it leads to",
    ),
    Rule(r"dumb http transport does not support shallow", PermanentError, "give --depth 0"),
    Rule(r"unadvertised object", PermanentError, "name a branch or a tag: this server gives no commit by its SHA"),
    Rule(
        r"unable to update url base from redirection|returned error: 30\d",
        PermanentError,
        "give the URL that the server redirects to",
    ),
    Rule(r"redirects followed|redirect loop", SuspectError, "check the repository's URL: it redirects for ever"),
    Rule(
        r"http code 407 from proxy|connect tunnel failed, response 407",
        SuspectError,
        "check the user and the password in https_proxy",
    ),
    Rule(
        r"http code 40[35] from proxy|connect tunnel failed, response 40[35]",
        SuspectError,
        "have the proxy allow it, or name the host in NO_PROXY",
    ),
    Rule(r"unsupported proxy|could not resolve proxy", SuspectError, "check https_proxy and http_proxy"),
    Rule(r"unable to read askpass response", SuspectError, "check the program of --askpass: it failed"),
    Rule(
        r"authentication failed|could not read (?:username|password)|returned error: 40[13]|invalid credentials",
        SuspectError,
        CHECK_CREDENTIAL,
    ),
    Rule(r"error (?:setting|reading) (?:ca|certificate)", SuspectError, "check the file of --ca-file or SSL_CERT_FILE"),
    Rule(r"does not match target host|no alternative certificate subject name", SuspectError, _HOST),
    Rule(r"certificate (?:has|is) expired|certificate expired", SuspectError, "have the certificate renewed"),
    Rule(
        r"unexpected tls packet|wrong version number|received record with wrong",
        SuspectError,
        "check the URL: this does not look like https, http:// may be meant",
    ),
    Rule(r"certificate|\bssl\b.*verif", SuspectError, _CERTIFICATE),
    Rule(
        r"repository '?.*'? ?not found|does not (?:appear to be|exist)|not exported|no such repository"
        r"|repository .*does not exist|service not enabled|returned error: 4(?:04|10)",
        SuspectError,
        _REPOSITORY,
    ),
    Rule(
        r"bad line length character|not valid: (?:is this|could not determine)|invalid server response",
        SuspectError,
        "check the repository's URL: this does not answer as a git server",
    ),
    Rule(r"returned error: 4(?!08|29)\d\d", SuspectError, "check the repository's URL"),
    Rule(r"mismatched algorithms", OtherFormatError, "publish it in another DEST"),
    Rule(r"couldn't find remote ref|not our ref|no such ref", RefError, "check the ref, and that it was pushed"),
    Rule(
        r"returned error: (?:5\d\d|429|408)|early eof|unexpected disconnect|hung up|could not resolve|unable to look up"
        r"|connection (?:refused|reset|timed out)|failed to connect|couldn't connect|timed? ?out|too slow|rpc failed"
        r"|empty reply|network is unreachable|no route to host|gnutls|openssl|(?:recv|send) failure|transfer closed",
        TemporaryError,
        "",
    ),
    Rule(
        r"fsck error|bad object|is corrupt|corrupted|object file .* is empty|unable to read (?:tree|sha1|[0-9a-f]{40})"
        r"|missing (?:blob|tree|commit)|not a git repository|bad (?:numeric )?config|index file|inflate|packfile"
        r"|did not send all necessary|invalid index-pack|index-pack failed|unpack(?:ing|-objects)? failed"
        r"|failed to unpack|shallow file|not a (?:valid object name|tree object)|unknown repository extension",
        DamagedError,
        "check the repository with git fsck",
    ),
)
