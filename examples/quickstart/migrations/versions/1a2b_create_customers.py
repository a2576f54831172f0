"""create customers

Revision ID: 1a2b
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "1a2b"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False, unique=True),
        sa.Column("created_at", sa.Date),
    )


def downgrade() -> None:
    op.drop_table("customers")
