"""The application: its name, and the blueprints of its subjects."""

from chalice.app import Chalice

from chalicelib.archive.api import archive_routes
from chalicelib.archive.jobs import archive_jobs
from chalicelib.archive.pages import archive_pages
from chalicelib.attachment.api import attachment_routes
from chalicelib.attachment.jobs import attachment_jobs
from chalicelib.core.health import health_routes
from chalicelib.core.openapi import openapi_routes
from chalicelib.identity.api import identity_routes
from chalicelib.identity.jobs import identity_jobs
from chalicelib.identity.pages import account_pages, identity_pages, proof_pages
from chalicelib.notices.jobs import notices_jobs
from chalicelib.publication.api import publication_routes
from chalicelib.publication.jobs import publication_jobs
from chalicelib.publication.pages import (
    announcement_pages,
    calendar_pages,
    delivery_pages,
    display_pages,
    rescheduling_pages,
    retraction_pages,
    switch_pages,
    wechat_pages,
)
from chalicelib.review.api import review_routes
from chalicelib.review.jobs import review_jobs
from chalicelib.review.pages import desk_pages, reassigning_pages, review_pages
from chalicelib.submission.api import submission_routes
from chalicelib.submission.jobs import submission_jobs
from chalicelib.submission.pages import amendment_pages, refused_pages, submission_pages
from chalicelib.web.api import web_routes

app = Chalice(app_name="imprimatur", configure_logs=False)

app.register_blueprint(health_routes)
app.register_blueprint(openapi_routes)
app.register_blueprint(web_routes)
app.register_blueprint(identity_routes)
app.register_blueprint(identity_pages)
app.register_blueprint(account_pages)
app.register_blueprint(proof_pages)
app.register_blueprint(identity_jobs)
app.register_blueprint(attachment_routes)
app.register_blueprint(attachment_jobs)
app.register_blueprint(submission_routes)
app.register_blueprint(submission_pages)
app.register_blueprint(amendment_pages)
app.register_blueprint(refused_pages)
app.register_blueprint(submission_jobs)
app.register_blueprint(review_routes)
app.register_blueprint(review_pages)
app.register_blueprint(desk_pages)
app.register_blueprint(reassigning_pages)
app.register_blueprint(review_jobs)
app.register_blueprint(publication_routes)
app.register_blueprint(switch_pages)
app.register_blueprint(delivery_pages)
app.register_blueprint(retraction_pages)
app.register_blueprint(announcement_pages)
app.register_blueprint(display_pages)
app.register_blueprint(wechat_pages)
app.register_blueprint(rescheduling_pages)
app.register_blueprint(calendar_pages)
app.register_blueprint(publication_jobs)
app.register_blueprint(archive_routes)
app.register_blueprint(archive_pages)
app.register_blueprint(archive_jobs)
app.register_blueprint(notices_jobs)
