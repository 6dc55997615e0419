"""What differs between environments, read once from environment variables.

Every field is an environment variable of the same name in capitals; `infra/stacks/app.yaml` sets them on AWS and
the laptop's cloud sets them in its own process. Only `core` and `bootstrap` read them.
"""

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One environment. URLs have no slash at the end."""

    desk: str = "imprimatur"
    """The environment's name, its prefix on AWS: what figures about it are kept under."""
    table_name: str
    site_bucket: str
    archive_bucket: str
    uploads_bucket: str
    sign_in_queue_url: str
    queue_url_prefix: str
    """What the URL of every queue begins with, the environment's prefix and its hyphen included."""
    uploads_queue_url: str
    notices_queue_url: str
    """Where what has happened waits to be told to people by mail."""
    review_machine_arn: str
    publication_machine_arn: str
    renderer_function: str
    """The name of the function that sets posters and slides."""
    signing_key: str
    """The ARN of the key with which the service signs opinions."""
    site_key: str
    """The ARN of the key with which it signs cookies for the internal part of the website."""
    base_url: str
    """Where people open the desk's pages; links in mails start with it."""
    public_site_url: str
    """Where the public part of the website is read."""
    internal_site_url: str
    """Where its internal part is read."""
    mail_from: str
    mail_configuration_set: str
    """SES's configuration set for announcements: what becomes of each comes back through it."""
    mail_reply_to: str = ""
    """Where what people reply to a mail goes, an address alone: the center's own mailbox. Empty: to the sender."""
    site_key_pair: str = ""
    """What CloudFront calls the key of the cookies; empty: the internal part asks for no cookies."""
    site_cookie_domain: str = ""
    """The domain that desk and internal part share; empty where they share the host."""
    mail_carrier: str = "ses"
    """`ses` or `smtp`."""
    smtp_host: str = ""
    smtp_port: str = "587"
    smtp_security: str = "starttls"
    """`starttls`, `tls` from the first byte, or `none` on a network of one's own."""
    smtp_username: str = ""
    """Empty: the server asks for none."""
    smtp_password: str = field(default="", repr=False)
    oidc_issuer: str = ""
    """Where the company's accounts are (OpenID Connect); empty: there are none, and nobody is sent there."""
    oidc_client_id: str = ""
    oidc_client_secret: str = field(default="", repr=False)
    """Empty: the provider knows the desk by its address and PKCE alone."""
    oidc_person_claim: str = "email"
    """Which claim says who it is: `email`, once the provider has verified it, or another that holds a person's id."""
    partner_keys: str = field(default="", repr=False)
    """`<partner>=whsec_<base64>` of each partner of `policies/partners.json`, with spaces between."""
    private_partners: str = "no"
    """`yes` where partners may be reached in networks of one's own, or on this very machine."""
    wechat_app_id: str = ""
    """The WeChat official account; empty: there is none, and that channel is not served."""
    wechat_app_secret: str = field(default="", repr=False)
    wechat_mode: str = "draft"
    """`draft` (a person presses publish), `publish`, or `mass_send` (and every follower is told)."""
    wechat_author: str = ""
    """Who signs an article where the department's name is too long for that; empty: it is then not published."""
    wechat_callback_token: str = field(default="", repr=False)
    """What the account's own messages are signed with; empty: none are taken in."""
    wechat_callback_key: str = field(default="", repr=False)
    """43 characters with which they are encrypted; empty: they come in the clear."""
    wechat_max_characters: str = "20000"
    """What an article must stay below, its markup included."""
    wechat_api: str = "https://api.weixin.qq.com"
    """Where the platform's calls are made."""
    wait_scale: str = "1"
    """How many times shorter the waits of state machines, retries and pumps are; 1 everywhere but on a laptop."""
    max_lateness_hours: str = "48"
    """A publish time missed by no more than this is made good at once; beyond it a person is asked."""
    center_time_zone: str = "Asia/Shanghai"
    """The zone whose calendar year stands in catalogue numbers."""
    behind_edge: str = "no"
    """`yes` where every request has come through `infra/stacks/edge.yaml`, which says whose it is."""

    @property
    def scale(self) -> float:
        """`wait_scale` as a number of at least 1."""
        return max(1.0, float(self.wait_scale))

    @property
    def center_zone(self) -> ZoneInfo:
        """`center_time_zone`, read."""
        return ZoneInfo(self.center_time_zone)

    @property
    def is_behind_edge(self) -> bool:
        """Is what the edge says of a request to be believed? Raises ValueError for neither yes nor no."""
        if self.behind_edge not in {"yes", "no"}:
            raise ValueError(f"BEHIND_EDGE is neither yes nor no: {self.behind_edge}")
        return self.behind_edge == "yes"

    @property
    def has_private_partners(self) -> bool:
        """May a partner be inside? Raises ValueError for neither yes nor no."""
        if self.private_partners not in {"yes", "no"}:
            raise ValueError(f"PRIVATE_PARTNERS is neither yes nor no: {self.private_partners}")
        return self.private_partners == "yes"

    @property
    def max_lateness(self) -> timedelta:
        """How late an item may still be published without asking a person."""
        return timedelta(hours=float(self.max_lateness_hours))


class MissingSettingsError(KeyError):
    """The environment does not say everything that is needed."""

    def __str__(self) -> str:
        """The message as it is, without a KeyError's quotation marks."""
        return str(self.args[0])


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises MissingSettingsError naming every variable that is missing, not only the first."""
    source = os.environ if environment is None else environment
    names = {field.name: field.name.upper() for field in fields(Settings)}
    missing = [
        names[f.name] for f in fields(Settings) if f.default is MISSING and names[f.name] not in source
    ]
    if missing:
        raise MissingSettingsError(f"environment variables missing: {', '.join(missing)}")
    return Settings(**{name: source[variable] for name, variable in names.items() if variable in source})
