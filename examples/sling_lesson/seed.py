"""Fill the source database: a small shop, the same rows every time.

It asks nobody which server listens on the port: the one of compose.yaml or the embedded one.
"""

import os

import adbc_driver_postgresql.dbapi as postgres

PORT = os.environ.get("POSTGRES_PORT", "5432")
URL = f"postgresql://test_user:test_pass@localhost:{PORT}/test_db"

STATEMENTS = """
drop schema if exists data cascade;
create schema data;

create table data.customers (
    customer_id int primary key,
    name text not null,
    email text,
    credit_limit numeric(12, 2),
    created_at timestamptz not null
);
insert into data.customers
select
    i,
    (array['Ada', 'Björn', 'Chloé', '李娜', 'Müller & Söhne'])[1 + i % 5] || ' ' || i,
    case when i % 4 > 0 then 'customer' || i || '@example.com' end,
    case when i % 3 > 0 then i * 12.34 end,
    timestamptz '2024-01-01 00:00:00+00' + i * interval '1 hour 1 microsecond'
from generate_series(1, 100) as i;

create table data.products (
    product_id int primary key,
    name text not null,
    price numeric(10, 2) not null,
    launched_on date,
    is_active boolean not null
);
insert into data.products
select
    i,
    (array['Café', 'Jaffle', 'Tea', 'Smörgås'])[1 + i % 4] || ' No ' || i,
    i * 1.99,
    case when i % 5 > 0 then date '2023-01-01' + i end,
    i % 10 > 0
from generate_series(1, 20) as i;

create table data.orders (
    order_id int primary key,
    customer_id int not null references data.customers,
    product_id int not null references data.products,
    quantity int not null,
    amount numeric(12, 2) not null,
    ordered_at timestamptz not null
);
insert into data.orders
select
    i,
    1 + i * 7 % 100,
    product_id,
    quantity,
    quantity * price,
    timestamptz '2024-06-01 00:00:00+00' + i * interval '10 minutes'
from generate_series(1, 1000) as i
cross join lateral (select 1 + i * 3 % 20 as product_id, 1 + i % 4 as quantity) as drawn
join data.products using (product_id);
"""


def main() -> None:
    with postgres.connect(URL) as connection, connection.cursor() as cursor:
        for statement in STATEMENTS.split(";"):
            if statement.strip():
                cursor.execute(statement)
        connection.commit()
    print(f"test_db on port {PORT} holds data.customers, data.products and data.orders.")


if __name__ == "__main__":
    main()
