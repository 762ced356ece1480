{{ config(materialized='view') }}
select * from {{ source('market', 'stalls') }}
