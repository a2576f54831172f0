"""create orders

Revision ID: 2b3c
Revises: 1a2b
"""

import sqlalchemy as sa
from alembic import op

revision = "2b3c"
down_revision = "1a2b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("customer_id", sa.Integer, sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("item", sa.Text, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("price", sa.Numeric(10, 2)),
    )


def downgrade() -> None:
    op.drop_table("orders")
