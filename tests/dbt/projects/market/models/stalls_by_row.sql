select row_name, count(*) as stalls, max(rent) as highest_rent from {{ ref('stg_stalls') }} group by row_name
