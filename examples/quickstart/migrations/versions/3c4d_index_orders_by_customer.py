"""index orders by customer

Revision ID: 3c4d
Revises: 2b3c
"""

from alembic import op

revision = "3c4d"
down_revision = "2b3c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("orders_customer_id", "orders", ["customer_id"])


def downgrade() -> None:
    op.drop_index("orders_customer_id", "orders")
