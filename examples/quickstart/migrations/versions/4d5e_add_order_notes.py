"""add order notes

Revision ID: 4d5e
Revises: 3c4d
"""

import sqlalchemy as sa
from alembic import op

revision = "4d5e"
down_revision = "3c4d"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("orders") as orders:
        orders.add_column(sa.Column("note", sa.Text))


def downgrade() -> None:
    with op.batch_alter_table("orders") as orders:
        orders.drop_column("note")
