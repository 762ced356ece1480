"""Fill the shop's Postgres: customers, products and orders, the same rows every time.

The server makes the rows itself: every value is arithmetic on the digits of a row number's MD5, so there is
neither a random() nor a now(), and half a million rows take a few seconds.
"""

from __future__ import annotations

from string import Template

from mainstem.testing.postgres import EmbeddedPostgres
from shop import settings

# What the rows look like. Another number here, or another count, seeds an existing database anew.
_VERSION = 1

_CUSTOMERS = """
create table data.customers (
    customer_id bigint primary key,
    external_id uuid not null,
    first_name text not null,
    last_name text not null,
    email text,
    company text,
    born_on date,
    is_business boolean not null,
    credit_limit numeric(12, 2),
    tags text[] not null,
    preferences jsonb,
    created_at timestamptz not null,
    last_visit timestamp
)
"""

_INSERT_CUSTOMERS = """
insert into data.customers
select
    i,
    md5('external ' || i)::uuid,
    (array['Ada', 'Björn', 'Chloé', 'Dmitri', 'Ève', 'François', 'Grace', 'Héctor', 'Ingrid', 'José',
           'Łukasz', 'Zoë', 'Nguyễn', 'Юлия', '李娜', 'さくら', 'Øystein', 'Siân', 'Ümit',
           'محمد'])[1 + a % 20],
    (array['Álvarez', 'Brown', 'Çelik', 'Dvořák', 'Eriksson', 'Fernández', 'García', 'Haddad',
           'Ivanova', 'Jørgensen', 'Kowalski', 'Lefèvre', 'Müller', 'Nakamura', 'O''Brien', 'Petrović',
           '王'])[1 + b % 17],
    case when c % 12 > 0 then 'customer' || i || '@example.com' end,
    case when i % 7 = 0 then 'Company ' || b % 500 when i % 7 = 1 then '' end,
    case when a % 9 > 0 then date '1945-01-01' + b % 22000 end,
    i % 7 = 0,
    case when c % 3 > 0 then (c % 10000000) / 100.0 end,
    case c % 4
        when 0 then '{}' when 1 then '{new}' when 2 then '{vip,"early bird"}' else array['łoś', null]
    end,
    case when a % 5 > 0 then jsonb_build_object(
        'newsletter', b % 2 = 0,
        'language', (array['de', 'en', 'fr', 'ja'])[1 + c % 4],
        'score', round(b % 1000 / 10.0, 1)
    ) end,
    timestamptz '2022-01-01 00:00:00+00' + (b % 63072000) * interval '1 second'
        + i * interval '1 microsecond',
    case when c % 6 > 0 then timestamp '2024-01-01' + (a % 63072000) * interval '1 second' end
from generate_series(1, $customers) as i
cross join lateral (select md5('customer ' || i) as h) as digest
cross join lateral (select ('x' || substr(h, 1, 7))::bit(28)::int, ('x' || substr(h, 8, 7))::bit(28)::int,
                           ('x' || substr(h, 15, 7))::bit(28)::int) as digits (a, b, c)
"""

_PRODUCTS = """
create table data.products (
    product_id int primary key,
    sku text not null,
    name text not null,
    category text not null,
    supplier_id int not null,
    price numeric(10, 2) not null,
    weight_kg numeric(8, 3),
    rating double precision,
    is_active boolean not null,
    sizes text[] not null,
    attributes jsonb not null,
    launched_on date
)
"""

_INSERT_PRODUCTS = """
insert into data.products
select
    i,
    'SKU-' || lpad(i::text, 6, '0'),
    (array['Café', 'Crème', 'Smörgås', 'Jaffle', 'Maté', 'Żurek', '抹茶', 'Tea'])[1 + a % 8] || ' No ' || i,
    (array['bakery', 'drinks', 'kitchen', 'pantry', 'gifts'])[1 + b % 5],
    1 + c % 25,
    (99 + a % 19900) / 100.0,
    case when b % 8 > 0 then (50 + b % 4950) / 1000.0 end,
    case when c % 6 > 0 then 1 + (c % 401) / 100.0 end,
    a % 20 > 0,
    case when b % 5 = 2 then '{S,M,L}'::text[] else '{}' end,
    jsonb_build_object('colour', (array['noir', 'blau', 'żółty', 'red'])[1 + c % 4], 'organic', a % 3 = 0,
                       'allergens', case when b % 4 = 0 then '["nuts", "milk"]'::jsonb else '[]'::jsonb end),
    case when a % 10 > 0 then date '2020-01-01' + a % 1400 end
from generate_series(1, $products) as i
cross join lateral (select md5('product ' || i) as h) as digest
cross join lateral (select ('x' || substr(h, 1, 7))::bit(28)::int, ('x' || substr(h, 8, 7))::bit(28)::int,
                           ('x' || substr(h, 15, 7))::bit(28)::int) as digits (a, b, c)
"""

_ORDERS = """
create table data.orders (
    order_id bigint not null,
    customer_id bigint not null,
    product_id int not null,
    status text not null,
    quantity int not null,
    unit_price numeric(10, 2) not null,
    discount numeric(5, 4),
    amount numeric(12, 2) not null,
    is_gift boolean not null,
    note text,
    ordered_at timestamptz not null,
    shipped_at timestamptz
)
"""

# Two per cent of the customers never order anything, as in life.
_INSERT_ORDERS = """
insert into data.orders
select
    i, customer_id, product_id, status, quantity, price, discount,
    round(quantity * price * (1 - coalesce(discount, 0)), 2),
    c % 25 = 0,
    case b % 50 when 0 then 'Ring twice, s''il vous plaît' when 1 then '' when 2 then 'für 李娜 🎁' end,
    ordered_at,
    case when status in ('shipped', 'completed', 'returned')
        then ordered_at + (c % 604800) * interval '1 second' end
from generate_series(1, $orders) as i
cross join lateral (select md5('order ' || i) as h) as digest
cross join lateral (select ('x' || substr(h, 1, 7))::bit(28)::int, ('x' || substr(h, 8, 7))::bit(28)::int,
                           ('x' || substr(h, 15, 7))::bit(28)::int) as digits (a, b, c)
cross join lateral (select
    1 + a % ($customers * 98 / 100) as customer_id,
    1 + b % $products as product_id,
    1 + c % 5 as quantity,
    case when a % 6 = 0 then (b % 3000) / 10000.0 end::numeric(5, 4) as discount,
    (array['completed', 'completed', 'completed', 'shipped', 'placed', 'returned', 'cancelled'])[1 + c % 7]
        as status,
    timestamptz '2024-01-01 00:00:00+00' + (c % 63072000) * interval '1 second'
        + (a % 1000000) * interval '1 microsecond' as ordered_at
) as drawn
join data.products using (product_id)
order by i
"""

_KEYS = (
    "alter table data.orders add primary key (order_id)",
    "alter table data.orders add foreign key (customer_id) references data.customers",
    "alter table data.orders add foreign key (product_id) references data.products",
    "comment on table data.orders is 'One row for each order line that the shop took.'",
    "comment on column data.orders.amount is 'quantity times unit_price, less the discount'",
    "comment on column data.customers.company is 'empty where the customer was asked and has none'",
)


def seed(server: EmbeddedPostgres) -> bool:
    """Fill the database, in one transaction. Nothing happens where it already holds these rows.

    Args:
        server: The running server.

    Returns:
        Whether there was anything to do.
    """
    counts = {"customers": settings.CUSTOMERS, "products": settings.PRODUCTS, "orders": settings.ORDERS}
    mark = f"seed {_VERSION}: " + ", ".join(f"{count} {name}" for name, count in counts.items())
    if server.fetch("select obj_description(to_regnamespace('data'), 'pg_namespace')") == [(mark,)]:
        return False
    inserts = (_INSERT_CUSTOMERS, _INSERT_PRODUCTS, _INSERT_ORDERS)
    server.execute(
        "set local client_min_messages = warning",
        "drop schema if exists data cascade",
        "create schema data",
        _CUSTOMERS,
        _PRODUCTS,
        _ORDERS,
        *(Template(insert).substitute(counts) for insert in inserts),
        *_KEYS,
        "analyze data.customers, data.products, data.orders",
        f"comment on schema data is '{mark}'",
    )
    return True
