select
    customer_id,
    first_name,
    last_name,
    email,
    nullif(company, '') as company,
    is_business,
    credit_limit,
    created_at as customer_since
from {{ source('replication', 'data_customers') }}
