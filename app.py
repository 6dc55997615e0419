"""The application: its name, and the blueprints of its subjects."""

from chalice.app import Chalice

from chalicelib.archive.api import archive_routes
from chalicelib.archive.jobs import archive_jobs
from chalicelib.core.health import health_routes
from chalicelib.identity.api import identity_routes
from chalicelib.identity.jobs import identity_jobs
from chalicelib.notices.jobs import notices_jobs
from chalicelib.publication.api import publication_routes
from chalicelib.publication.jobs import publication_jobs
from chalicelib.review.api import review_routes
from chalicelib.review.jobs import review_jobs
from chalicelib.submission.api import submission_routes

app = Chalice(app_name="imprimatur")

app.register_blueprint(health_routes)
app.register_blueprint(identity_routes)
app.register_blueprint(identity_jobs)
app.register_blueprint(submission_routes)
app.register_blueprint(review_routes)
app.register_blueprint(review_jobs)
app.register_blueprint(publication_routes)
app.register_blueprint(publication_jobs)
app.register_blueprint(archive_routes)
app.register_blueprint(archive_jobs)
app.register_blueprint(notices_jobs)
