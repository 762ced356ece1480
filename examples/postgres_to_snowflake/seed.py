"""Fill the source database: three tables of a billing system, the same rows every time."""

import os
from urllib.parse import quote

import adbc_driver_postgresql.dbapi as postgres

PORT = os.environ.get("POSTGRES_PORT", "5432")
PASSWORD = os.environ.get("POSTGRES_PASSWORD", "test_pass")
URL = f"postgresql://test_user:{quote(PASSWORD, safe='')}@localhost:{PORT}/test_db"

STATEMENTS = """
drop table if exists public.accounts, public.users, public.finance_departments;

create table public.finance_departments (
    department_id int primary key,
    name text not null,
    cost_center text
);
insert into public.finance_departments values
    (1, 'Accounts payable', 'CC-100'),
    (2, 'Trésorerie', 'CC-200'),
    (3, 'Payroll', null);

create table public.users (
    user_id int primary key,
    name text not null,
    department_id int references public.finance_departments,
    signed_up_at timestamptz not null
);
insert into public.users
select
    i,
    (array['Ada', 'Zoë', '李娜', 'Łukasz'])[1 + i % 4] || ' ' || i,
    nullif(i % 4, 0),
    timestamptz '2025-01-01 00:00:00+00' + i * interval '3 hours 1 microsecond'
from generate_series(1, 40) as i;

create table public.accounts (
    account_id int primary key,
    user_id int not null references public.users,
    currency text not null,
    balance numeric(18, 4) not null,
    closed_on date
);
insert into public.accounts
select
    i,
    1 + i % 40,
    (array['CHF', 'EUR', 'USD'])[1 + i % 3],
    i * 1000.0001 - 50000,
    case when i % 9 = 0 then date '2025-01-01' + i end
from generate_series(1, 120) as i;
"""


def main() -> None:
    with postgres.connect(URL) as connection, connection.cursor() as cursor:
        for statement in STATEMENTS.split(";"):
            if statement.strip():
                cursor.execute(statement)
        connection.commit()
    print(f"test_db on port {PORT} holds public.accounts, public.users and public.finance_departments.")


if __name__ == "__main__":
    main()
