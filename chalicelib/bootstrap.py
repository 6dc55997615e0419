"""The one place where the parts are put together.

Each part is made when it is first asked for and kept; its imports are inside, so a job loads only its own subject.
`parts()` is what the running function uses; `use()` lets a test or the laptop put another whole in its place.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.core import metrics
from chalicelib.core.aws import Aws
from chalicelib.core.clock import Now, utc_now
from chalicelib.core.settings import Settings, from_environment

if TYPE_CHECKING:
    from chalicelib.access.service import AccessControl
    from chalicelib.archive.service import Archiving, ReadingRoom
    from chalicelib.archive.store import PackageStore
    from chalicelib.attachment.model import AttachmentRules
    from chalicelib.attachment.service import Checking, Shelf, UploadDesk
    from chalicelib.attachment.store import FileStore
    from chalicelib.core.calendar import Calendar
    from chalicelib.core.http import Exchange
    from chalicelib.core.mail import Mailer
    from chalicelib.core.outbox import Outbox
    from chalicelib.core.queues import Queues
    from chalicelib.core.signing import Signer
    from chalicelib.core.table import Table
    from chalicelib.identity.service import RateLimits, Sessions, SignIn
    from chalicelib.identity.service.accounts import Accounts
    from chalicelib.identity.service.enrolling import Enrolling
    from chalicelib.identity.service.proving import ProofBook, Prover
    from chalicelib.notices.service import Notices
    from chalicelib.people.audiences import Audiences
    from chalicelib.people.service import RosterKeeper
    from chalicelib.people.store import PeopleStore
    from chalicelib.publication.channels.email.adapter import EmailChannel
    from chalicelib.publication.channels.email.audience import Reach
    from chalicelib.publication.channels.email.mailing import MailRules
    from chalicelib.publication.channels.notice_board.adapter import NoticeBoardChannel
    from chalicelib.publication.channels.notice_board.board import BoardRules
    from chalicelib.publication.channels.notice_board.screens import Screens
    from chalicelib.publication.channels.website.admission import Admission
    from chalicelib.publication.channels.website.site import Website
    from chalicelib.publication.channels.wechat.adapter import WeChatChannel
    from chalicelib.publication.channels.wechat.callback import Callback
    from chalicelib.publication.model import Adapter
    from chalicelib.publication.service.delivering import Delivering
    from chalicelib.publication.service.displaying import Displaying
    from chalicelib.publication.service.freezing import Freezing
    from chalicelib.publication.service.mailings import Mailings
    from chalicelib.publication.service.planning import Planning
    from chalicelib.publication.service.preview import Previews
    from chalicelib.publication.service.publishing import Publishing
    from chalicelib.publication.service.register import Register
    from chalicelib.publication.service.rescheduling import Rescheduling
    from chalicelib.publication.service.retracting import Retracting
    from chalicelib.publication.service.schedule import Schedule
    from chalicelib.publication.service.settling import Settling
    from chalicelib.publication.service.sweeping import Sweeper
    from chalicelib.publication.service.views import Views
    from chalicelib.review.deadlines import Deadlines
    from chalicelib.review.service import Decisions, ReviewDesk, Rounds
    from chalicelib.review.service.asking import Asking
    from chalicelib.review.service.handing_over import HandingOver
    from chalicelib.review.service.links import Links
    from chalicelib.review.service.recalling import Recalling
    from chalicelib.submission.form import ChannelRules
    from chalicelib.submission.hours import ChannelHours
    from chalicelib.submission.model import Channel
    from chalicelib.submission.service import (
        Amendments,
        ConfirmationReminders,
        Intake,
        Journal,
        Procedures,
        RefusedRequests,
        SubmissionDesk,
        Tidying,
    )
    from chalicelib.submission.service.slots import Slots

POLICIES = Path(__file__).parents[1] / "policies"
GRACE = timedelta(minutes=10)
"""How long a step may be under way before the sweeper takes it for lost."""
PROMPTNESS = timedelta(minutes=3)
"""How long what is due may take to begin, before the sweeper begins it again."""


class Parts:
    """The whole, built lazily from settings, AWS clients and a clock."""

    def __init__(self, settings: Settings, *, aws: Aws | None = None, now: Now = utc_now) -> None:
        self.settings = settings
        self.aws = aws or Aws()
        self.now = now
        metrics.of_desk(settings.desk)

    def address_of(self, exchange: "Exchange") -> str:
        """The network address that a request is counted under."""
        return exchange.address(behind_edge=self.settings.is_behind_edge)

    @cached_property
    def table(self) -> "Table":
        """The records."""
        from chalicelib.core.table import Table

        return Table(client=self.aws.dynamodb, name=self.settings.table_name)

    @cached_property
    def mailer(self) -> "Mailer":
        """Outgoing mail."""
        from chalicelib.core.addresses import is_email
        from chalicelib.core.mail import CountedMailer

        settings = self.settings
        if settings.mail_reply_to and not is_email(settings.mail_reply_to):
            raise ValueError("MAIL_REPLY_TO is no address")
        if settings.mail_carrier == "smtp":
            from chalicelib.core.smtp import Security, SmtpMailer, SmtpServer

            server = SmtpServer(
                host=settings.smtp_host,
                port=int(settings.smtp_port),
                security=Security(settings.smtp_security),
                username=settings.smtp_username,
                password=settings.smtp_password,
            )
            return CountedMailer(
                SmtpMailer(server=server, sender=settings.mail_from, reply_to=settings.mail_reply_to)
            )
        if settings.mail_carrier != "ses":
            raise ValueError(f"MAIL_CARRIER is neither ses nor smtp: {settings.mail_carrier}")
        from chalicelib.core.mail import SesMailer

        mailer = SesMailer(
            client=self.aws.sesv2,
            sender=settings.mail_from,
            reply_to=settings.mail_reply_to,
            configuration_set=settings.mail_configuration_set,
        )
        return CountedMailer(mailer)

    @cached_property
    def outbox(self) -> "Outbox":
        """Where what has happened waits to be told."""
        from chalicelib.core.outbox import Outbox

        return Outbox(
            queue=lambda body: self.aws.sqs().send_message(
                QueueUrl=self.settings.notices_queue_url, MessageBody=body
            )
        )

    @cached_property
    def people(self) -> "PeopleStore":
        """Persons and departments."""
        from chalicelib.people.store import PeopleStore

        return PeopleStore(self.table)

    @cached_property
    def roster_keeper(self) -> "RosterKeeper":
        """The roster, for operations."""
        from chalicelib.people.service import RosterKeeper

        return RosterKeeper(table=self.table, people=self.people)

    @cached_property
    def access(self) -> "AccessControl":
        """The policy."""
        from chalicelib.access.service import AccessControl

        return AccessControl(POLICIES, self.audiences)

    @cached_property
    def audiences(self) -> "Audiences":
        """Whom announcements can be addressed to by name."""
        from chalicelib.people.audiences import Audiences

        return Audiences(POLICIES)

    @cached_property
    def limits(self) -> "RateLimits":
        """Rate limits."""
        from chalicelib.identity.service import RateLimits

        return RateLimits(table=self.table, now=self.now)

    @cached_property
    def sessions(self) -> "Sessions":
        """Who calls."""
        from chalicelib.identity.service import Sessions

        return Sessions(table=self.table, now=self.now)

    @cached_property
    def sign_in(self) -> "SignIn":
        """Signing in."""
        from chalicelib.identity.service import SignIn

        return SignIn(
            table=self.table,
            people=self.people,
            limits=self.limits,
            queue=lambda body: self.aws.sqs().send_message(
                QueueUrl=self.settings.sign_in_queue_url, MessageBody=body
            ),
            mailer=self.mailer,
            now=self.now,
            base_url=self.settings.base_url,
        )

    @cached_property
    def signer(self) -> "Signer":
        """The service's own signature."""
        from chalicelib.core.signing import Signer

        return Signer(client=self.aws.kms, key=self.settings.signing_key)

    @cached_property
    def proof_book(self) -> "ProofBook":
        """What people have enrolled to prove to be there."""
        from chalicelib.identity.service.proving import ProofBook

        return ProofBook(table=self.table, now=self.now, signer=self.signer)

    @cached_property
    def prover(self) -> "Prover":
        """Whether somebody is the very person."""
        from chalicelib.identity.service.proving import ProofRules, Prover

        return Prover(
            book=self.proof_book,
            limits=self.limits,
            rules=ProofRules.load(POLICIES / "proofs.json"),
            base_url=self.settings.base_url,
        )

    @cached_property
    def enrolling(self) -> "Enrolling":
        """What people do about their proofs."""
        from chalicelib.identity.service.enrolling import Enrolling

        return Enrolling(book=self.proof_book, prover=self.prover, limits=self.limits)

    @cached_property
    def accounts(self) -> "Accounts":
        """Signing in with the company's account. Raises NotFound where there are none."""
        from chalicelib.core.errors import NotFound
        from chalicelib.core.fetching import fetch_json
        from chalicelib.identity.model import ACCOUNT_PAGE
        from chalicelib.identity.service.accounts import Accounts, AccountsConfiguration, Provider

        settings = self.settings
        if not settings.oidc_issuer:
            raise NotFound
        configuration = AccountsConfiguration(
            issuer=settings.oidc_issuer,
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret,
            person_claim=settings.oidc_person_claim,
            redirect_uri=f"{settings.base_url}{ACCOUNT_PAGE}",
        )
        provider = Provider(configuration=configuration, fetch=fetch_json, now=self.now)
        return Accounts(table=self.table, people=self.people, provider=provider, now=self.now)

    @cached_property
    def attachment_rules(self) -> "AttachmentRules":
        """What may be attached."""
        from chalicelib.attachment.model import AttachmentRules

        return AttachmentRules.load(POLICIES / "attachments.json")

    @cached_property
    def files(self) -> "FileStore":
        """The bucket of attachments."""
        from chalicelib.attachment.store import FileStore

        return FileStore(client=self.aws.s3, bucket=self.settings.uploads_bucket)

    @cached_property
    def upload_desk(self) -> "UploadDesk":
        """What liaisons do with files."""
        from chalicelib.attachment.service import UploadDesk

        return UploadDesk(
            table=self.table,
            files=self.files,
            access=self.access,
            rules=self.attachment_rules,
            queue=lambda body: self.aws.sqs().send_message(
                QueueUrl=self.settings.uploads_queue_url, MessageBody=body
            ),
            now=self.now,
        )

    @cached_property
    def checking(self) -> "Checking":
        """The check of what was uploaded."""
        from chalicelib.attachment.inspection import inspect
        from chalicelib.attachment.service import Checking

        return Checking(
            inspect=inspect,
            table=self.table,
            files=self.files,
            rules=self.attachment_rules,
            now=self.now,
        )

    @cached_property
    def shelf(self) -> "Shelf":
        """The files that submissions use."""
        from chalicelib.attachment.service import Shelf

        return Shelf(table=self.table, files=self.files, rules=self.attachment_rules, now=self.now)

    @cached_property
    def journal(self) -> "Journal":
        """The unit of work of submissions."""
        from chalicelib.submission.service import Journal

        return Journal(table=self.table, now=self.now)

    @cached_property
    def channel_rules(self) -> "ChannelRules":
        """Which classification may go where."""
        from chalicelib.submission.form import ChannelRules

        return ChannelRules.load(POLICIES / "channels.csv")

    @cached_property
    def channel_hours(self) -> "ChannelHours":
        """When channels may be used, and how often a day."""
        from chalicelib.submission.hours import ChannelHours

        return ChannelHours.load(POLICIES / "channels.json")

    @cached_property
    def slots(self) -> "Slots":
        """Times for channels."""
        from chalicelib.submission.service.slots import Slots

        return Slots(journal=self.journal, rules=lambda: self.channel_hours)

    @cached_property
    def submission_desk(self) -> "SubmissionDesk":
        """What liaisons do."""
        from chalicelib.submission.service import SubmissionDesk

        return SubmissionDesk(
            journal=self.journal,
            people=self.people,
            access=self.access,
            audiences=self.audiences,
            rules=self.channel_rules,
            shelf=self.shelf,
            procedures=self.procedures,
            slots=self.slots,
        )

    @cached_property
    def amendments(self) -> "Amendments":
        """What editors put in the place of a text, and what becomes of it."""
        from chalicelib.submission.service import Amendments

        return Amendments(
            journal=self.journal,
            people=self.people,
            access=self.access,
            rules=self.channel_rules,
            desk=self.submission_desk,
            procedures=self.procedures,
        )

    @cached_property
    def calendar(self) -> "Calendar":
        """When people work."""
        from chalicelib.core.calendar import read_calendar

        return read_calendar(POLICIES)

    @cached_property
    def confirmation_reminders(self) -> "ConfirmationReminders":
        """Reminding those who may confirm."""
        from chalicelib.submission.service import ConfirmationReminders

        return ConfirmationReminders(journal=self.journal, calendar=self.calendar, scale=self.settings.scale)

    @cached_property
    def queues(self) -> "Queues":
        """The departments' queues."""
        from chalicelib.core.queues import Queues

        return Queues(client=self.aws.sqs, url_prefix=self.settings.queue_url_prefix)

    @cached_property
    def intake(self) -> "Intake":
        """What departments' own systems send."""
        from chalicelib.submission.service import Intake

        return Intake(journal=self.journal, desk=self.submission_desk, queues=self.queues)

    @cached_property
    def refused_requests(self) -> "RefusedRequests":
        """What of it was refused."""
        from chalicelib.submission.service import RefusedRequests

        return RefusedRequests(journal=self.journal, people=self.people, access=self.access)

    @cached_property
    def tidying(self) -> "Tidying":
        """Files that were kept for nothing."""
        from chalicelib.submission.service import Tidying

        return Tidying(journal=self.journal, files=self.files)

    @cached_property
    def procedures(self) -> "Procedures":
        """The reviews that a request goes through."""
        from chalicelib.submission.service import Procedures

        return Procedures(table=self.table, folder=POLICIES)

    @cached_property
    def deadlines(self) -> "Deadlines":
        """How long reviewers have."""
        from chalicelib.review.deadlines import Deadlines

        return Deadlines(POLICIES, self.calendar, self.procedures.present)

    @cached_property
    def asking(self) -> "Asking":
        """Whom stages ask."""
        from chalicelib.review.service.asking import Asking

        return Asking(people=self.people, access=self.access, now=self.now)

    @cached_property
    def rounds(self) -> "Rounds":
        """The review machine's hands."""
        from chalicelib.core.machines import Machine, resume
        from chalicelib.review.service import Invitations, Rounds

        return Rounds(
            journal=self.journal,
            people=self.people,
            asking=self.asking,
            deadlines=self.deadlines,
            procedures=self.procedures,
            invitations=Invitations(
                journal=self.journal,
                people=self.people,
                deadlines=self.deadlines,
                procedures=self.procedures,
                desk=self.review_desk,
                mailer=self.mailer,
                base_url=self.settings.base_url,
                zone=self.settings.center_zone,
            ),
            machine=Machine(client=self.aws.stepfunctions, arn=self.settings.review_machine_arn),
            resume=partial(resume, self.aws.stepfunctions),
            scale=self.settings.scale,
            grace=self.grace,
        )

    @cached_property
    def links(self) -> "Links":
        """What review handles lead to."""
        from chalicelib.review.service.links import Links

        return Links(journal=self.journal)

    @cached_property
    def handing_over(self) -> "HandingOver":
        """Delegation and reassignment of stages."""
        from chalicelib.review.service.handing_over import HandingOver

        return HandingOver(
            journal=self.journal,
            people=self.people,
            access=self.access,
            asking=self.asking,
            links=self.links,
            procedures=self.procedures,
        )

    @cached_property
    def recalling(self) -> "Recalling":
        """Taking decisions back."""
        from chalicelib.review.service.recalling import Recalling

        return Recalling(
            journal=self.journal,
            access=self.access,
            asking=self.asking,
            links=self.links,
            procedures=self.procedures,
            scale=self.settings.scale,
        )

    @cached_property
    def decisions(self) -> "Decisions":
        """What reviewers do."""
        from chalicelib.review.service import Decisions

        return Decisions(
            journal=self.journal,
            links=self.links,
            access=self.access,
            asking=self.asking,
            procedures=self.procedures,
            prover=self.prover,
            signer=self.signer,
            scale=self.settings.scale,
            max_lateness=self.settings.max_lateness,
        )

    @cached_property
    def review_desk(self) -> "ReviewDesk":
        """What waits for reviewers."""
        from chalicelib.review.service import ReviewDesk

        return ReviewDesk(
            journal=self.journal,
            procedures=self.procedures,
            deadlines=self.deadlines,
            decisions=self.decisions,
        )

    @cached_property
    def website(self) -> "Website":
        """The intranet website."""
        from chalicelib.publication.channels.website.entry import INTERNAL, PUBLIC
        from chalicelib.publication.channels.website.site import Website
        from chalicelib.publication.store import entries_under

        return Website(
            s3=self.aws.s3(),
            bucket=self.settings.site_bucket,
            entries=partial(entries_under, self.table),
            base_urls={PUBLIC: self.settings.public_site_url, INTERNAL: self.settings.internal_site_url},
            attached=lambda entry, file: self.shelf.read(entry.submission, file),
            desk_url=self.settings.base_url,
        )

    @cached_property
    def site_signer(self) -> "Signer":
        """The signature of cookies for the internal part of the website."""
        from chalicelib.core.signing import Signer

        return Signer(client=self.aws.kms, key=self.settings.site_key)

    @cached_property
    def admission(self) -> "Admission":
        """Letting people into the internal part of the website."""
        from chalicelib.publication.channels.website.admission import Admission

        return Admission(
            signer=self.site_signer,
            site_url=self.settings.internal_site_url,
            key_pair=self.settings.site_key_pair,
            domain=self.settings.site_cookie_domain,
        )

    @cached_property
    def views(self) -> "Views":
        """How often the website's items are looked at."""
        from chalicelib.publication.service.views import Views

        return Views(table=self.table, journal=self.journal, limits=self.limits, now=self.now)

    @cached_property
    def adapters(self) -> "Mapping[Channel, Adapter]":
        """The channels this version can serve."""
        from chalicelib.core.posting import post
        from chalicelib.publication.channels.partners import PartnersChannel, load_register
        from chalicelib.publication.channels.website.adapter import WebsiteChannel
        from chalicelib.publication.store import put_entry
        from chalicelib.submission.model import Channel

        served: dict[Channel, Adapter] = {
            Channel.WEBSITE: WebsiteChannel(
                website=lambda: self.website,
                record=lambda prefix, entry: self.table.put(put_entry(prefix, entry)),
                department_name=lambda department: self.people.departments((department,))[department].name,
                views=lambda submission: self.views.of(submission),  # noqa: PLW0108 — loaded when asked
            ),
            Channel.EMAIL: self.email_channel,
            Channel.NOTICE_BOARD: self.notice_board,
            Channel.PARTNERS: PartnersChannel(
                table=self.table,
                register=cache(partial(load_register, POLICIES / "partners.json")),
                keys=self.settings.partner_keys,
                post=partial(post, private=self.settings.has_private_partners),
                now=self.now,
                site_url=self.settings.public_site_url,
                scale=self.settings.scale,
            ),
        }
        if self.settings.wechat_app_id:
            served[Channel.WECHAT] = self.wechat_channel
        return served

    @cached_property
    def wechat_channel(self) -> "WeChatChannel":
        """The WeChat official account."""
        from chalicelib.publication.channels.wechat.adapter import Mode, WeChatChannel
        from chalicelib.publication.channels.wechat.article import Limits
        from chalicelib.publication.channels.wechat.client import WeChatApi, WeChatClient
        from chalicelib.publication.channels.wechat.tokens import SharedTokens

        settings = self.settings
        api = WeChatApi(
            app_id=settings.wechat_app_id, secret=settings.wechat_app_secret, base=settings.wechat_api
        )
        tokens = SharedTokens(
            table=self.table, app_id=api.app_id, now=self.now, grant=lambda force: api.grant(force=force)
        )
        client = WeChatClient(api=api, tokens=tokens)
        return WeChatChannel(
            client=lambda: client,
            mode=Mode(settings.wechat_mode),
            table=self.table,
            picture=self.shelf.read,
            department_name=lambda department: self.people.departments((department,))[department].name,
            author=settings.wechat_author,
            site_url=settings.public_site_url,
            now=self.now,
            scale=settings.scale,
            limits=Limits(characters=int(settings.wechat_max_characters)),
        )

    @cached_property
    def wechat_callback(self) -> "Callback":
        """What the WeChat platform tells by itself. Raises NotFound where nothing is to be told."""
        from chalicelib.core.errors import NotFound
        from chalicelib.publication.channels.wechat.callback import Callback, CallbackKeys
        from chalicelib.submission.model import Channel

        settings = self.settings
        if not (settings.wechat_app_id and settings.wechat_callback_token):
            raise NotFound
        keys = CallbackKeys(
            app_id=settings.wechat_app_id,
            token=settings.wechat_callback_token,
            aes_key=settings.wechat_callback_key,
        )
        return Callback(
            keys=keys,
            table=self.table,
            now=self.now,
            wake=lambda submission, revision: self.publishing.hurry(submission, revision, Channel.WECHAT),
        )

    @cached_property
    def board_rules(self) -> "BoardRules":
        """What the notice board looks like, and how long things hang there."""
        from chalicelib.publication.channels.notice_board.board import BoardRules

        return BoardRules.load(POLICIES / "board.json")

    @cached_property
    def screens(self) -> "Screens":
        """What screens play."""
        from chalicelib.publication.channels.notice_board.screens import Screens
        from chalicelib.publication.store import board_items

        return Screens(
            s3=self.aws.s3,
            bucket=self.settings.site_bucket,
            items=partial(board_items, self.table),
            rules=self.board_rules,
            now=self.now,
        )

    @cached_property
    def notice_board(self) -> "NoticeBoardChannel":
        """Posters and screens."""
        from chalicelib.core.renderers import Renderers
        from chalicelib.publication.channels.notice_board.adapter import NoticeBoardChannel
        from chalicelib.publication.channels.website.entry import INTERNAL, PUBLIC
        from chalicelib.publication.store import board_item, put_board_item

        return NoticeBoardChannel(
            screens=lambda: self.screens,
            renderers=Renderers(client=self.aws.lambda_, function=self.settings.renderer_function),
            rules=self.board_rules,
            record=lambda item: self.table.put(put_board_item(item)),
            recorded=partial(board_item, self.table),
            attached=self.shelf.read,
            department_name=lambda department: self.people.departments((department,))[department].name,
            site_urls={PUBLIC: self.settings.public_site_url, INTERNAL: self.settings.internal_site_url},
            now=self.now,
        )

    @cached_property
    def email_channel(self) -> "EmailChannel":
        """Announcements by mail."""
        from chalicelib.publication.channels.email.adapter import EmailChannel

        return EmailChannel(
            table=self.table,
            people=self.people,
            reach=self.reach,
            mailer=lambda: self.mailer,
            now=self.now,
            base_url=self.settings.base_url,
            site_url=self.settings.internal_site_url,
            scale=self.settings.scale,
            rules=self.mail_rules,
            zone=self.settings.center_zone,
        )

    @cached_property
    def displaying(self) -> "Displaying":
        """What people say of the sheets."""
        from chalicelib.publication.service.displaying import Displaying

        return Displaying(journal=self.journal, access=self.access, rules=self.board_rules)

    @cached_property
    def reach(self) -> "Reach":
        """Whom a mail reaches."""
        from chalicelib.publication.channels.email.audience import Reach

        return Reach(people=self.people, access=self.access, audiences=self.audiences)

    @cached_property
    def previews(self) -> "Previews":
        """Whom a mail would reach if it went out now."""
        from chalicelib.publication.service.preview import Previews

        return Previews(
            channel=self.email_channel, access=self.access, audiences=self.audiences, now=self.now
        )

    @cached_property
    def mail_rules(self) -> "MailRules":
        """How often people are written to."""
        from chalicelib.publication.channels.email.mailing import MailRules

        return MailRules.load(POLICIES / "mail.json")

    @cached_property
    def mailings(self) -> "Mailings":
        """What becomes of announcements."""
        from chalicelib.publication.service.mailings import Mailings

        return Mailings(journal=self.journal, access=self.access, channel=self.email_channel)

    @cached_property
    def notices(self) -> "Notices":
        """Telling people what has happened."""
        from chalicelib.notices.service import Notices

        return Notices(
            journal=self.journal,
            people=self.people,
            access=self.access,
            procedures=self.procedures,
            mailer=self.mailer,
            base_url=self.settings.base_url,
        )

    @cached_property
    def schedule(self) -> "Schedule":
        """The publication machine's beginning."""
        from chalicelib.core.machines import Machine
        from chalicelib.publication.service.schedule import Schedule

        machine = Machine(client=self.aws.stepfunctions, arn=self.settings.publication_machine_arn)
        return Schedule(machine=machine)

    @cached_property
    def planning(self) -> "Planning":
        """The publishing calendar."""
        from chalicelib.publication.service.planning import Planning

        return Planning(
            journal=self.journal,
            access=self.access,
            desk=self.submission_desk,
            calendar=lambda: self.calendar,
            hours=lambda: self.channel_hours,
            zone=self.settings.center_zone,
        )

    @cached_property
    def rescheduling(self) -> "Rescheduling":
        """Moving publish times."""
        from chalicelib.publication.service.rescheduling import Rescheduling

        return Rescheduling(
            journal=self.journal,
            access=self.access,
            desk=self.submission_desk,
            procedures=self.procedures,
            scale=self.settings.scale,
        )

    @cached_property
    def publishing(self) -> "Publishing":
        """The publication machine's hands."""
        from chalicelib.publication.service.publishing import Publishing

        return Publishing(
            journal=self.journal,
            access=self.access,
            rules=self.channel_rules,
            procedures=self.procedures,
            delivering=self.delivering,
            adapters=self.adapters,
            shelf=self.shelf,
            max_lateness=self.settings.max_lateness,
            grace=self.grace,
            promptness=PROMPTNESS / self.settings.scale,
        )

    @cached_property
    def delivering(self) -> "Delivering":
        """Deliveries to channels."""
        from chalicelib.publication.service.delivering import Delivering

        return Delivering(journal=self.journal, adapters=self.adapters, scale=self.settings.scale)

    @cached_property
    def settling(self) -> "Settling":
        """People's answers for deliveries."""
        from chalicelib.publication.service.settling import Settling

        return Settling(journal=self.journal, access=self.access)

    @cached_property
    def retracting(self) -> "Retracting":
        """Taking publications back."""
        from chalicelib.publication.service.retracting import Retracting

        return Retracting(journal=self.journal, access=self.access, served=lambda: frozenset(self.adapters))

    @cached_property
    def register(self) -> "Register":
        """The register of channels."""
        from chalicelib.publication.service.register import Register

        return Register(journal=self.journal, access=self.access, served=frozenset(self.adapters))

    @cached_property
    def freezing(self) -> "Freezing":
        """The brake."""
        from chalicelib.publication.service.freezing import Brake, Freezing

        return Freezing(
            brake=Brake(table=self.table, now=self.now),
            access=self.access,
            served=lambda: frozenset(self.adapters),
            max_lateness=self.settings.max_lateness,
        )

    @cached_property
    def sweeper(self) -> "Sweeper":
        """The repair of what stands still."""
        from chalicelib.publication.service.sweeping import Sweeper

        return Sweeper(
            journal=self.journal,
            rounds=self.rounds,
            reminders=self.confirmation_reminders,
            publishing=self.publishing,
            freezing=self.freezing,
            board=self.screens.refresh_if_any,
        )

    @cached_property
    def packages(self) -> "PackageStore":
        """The archive's bucket."""
        from chalicelib.archive.store import PackageStore

        return PackageStore(client=self.aws.s3, bucket=self.settings.archive_bucket)

    @cached_property
    def archiving(self) -> "Archiving":
        """The last step of the publication machine."""
        from chalicelib.archive.model.catalog import CatalogRules
        from chalicelib.archive.service import Archiving

        return Archiving(
            journal=self.journal,
            people=self.people,
            access=self.access,
            rules=CatalogRules(POLICIES),
            procedures=self.procedures,
            adapters=self.adapters,
            packages=self.packages,
            shelf=self.shelf,
            zone=self.settings.center_zone,
        )

    @cached_property
    def reading_room(self) -> "ReadingRoom":
        """The archive's readers."""
        from chalicelib.archive.service import ReadingRoom

        return ReadingRoom(
            journal=self.journal,
            people=self.people,
            access=self.access,
            packages=self.packages,
            zone=self.settings.center_zone,
        )

    @property
    def grace(self) -> timedelta:
        """The sweeper's patience, scaled like every wait."""
        return GRACE / self.settings.scale


_present: Parts | None = None


def parts() -> Parts:
    """The whole that this process uses; made from the environment when there is none yet."""
    global _present  # noqa: PLW0603 — one whole per process is the point
    if _present is None:
        _present = Parts(from_environment())
    return _present


def use(other: Parts | None) -> None:
    """Put another whole in its place; None makes the next call read the environment again."""
    global _present  # noqa: PLW0603 — as above
    _present = other
