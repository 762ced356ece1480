select
    id as account_manager_id,
    name as account_manager
from {{ source('simple', 'load_dict') }}
