"""Fill the source database: customers and a year and a half of orders, the same rows every time."""

import os
from urllib.parse import quote

import adbc_driver_postgresql.dbapi as postgres

PORT = os.environ.get("POSTGRES_PORT", "5432")
PASSWORD = os.environ.get("POSTGRES_PASSWORD", "test_pass")
URL = f"postgresql://test_user:{quote(PASSWORD, safe='')}@localhost:{PORT}/test_db"

STATEMENTS = """
drop table if exists public.orders, public.customers;

create table public.customers (customer_id int primary key, name text not null, country text not null);
insert into public.customers
select i, (array['Ada', 'Zoë', '李娜', 'Łukasz'])[1 + i % 4] || ' ' || i, (array['CH', 'FR', 'PL'])[1 + i % 3]
from generate_series(1, 25) as i;

create table public.orders (
    order_id int primary key,
    customer_id int not null references public.customers,
    status text not null,
    amount numeric(12, 2) not null,
    ordered_at timestamptz not null
);
insert into public.orders
select
    i,
    1 + i % 25,
    (array['paid', 'paid', 'open', 'cancelled'])[1 + i % 4],
    (i * 7 % 1000) + 0.05,
    timestamptz '2024-01-01 00:00:00+00' + i * interval '13 hours 1 microsecond'
from generate_series(1, 1000) as i;
"""


def main() -> None:
    with postgres.connect(URL) as connection, connection.cursor() as cursor:
        for statement in STATEMENTS.split(";"):
            if statement.strip():
                cursor.execute(statement)
        connection.commit()
    print(f"test_db on port {PORT} holds public.customers and public.orders.")


if __name__ == "__main__":
    main()
