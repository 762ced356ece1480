{{ config(materialized='incremental', unique_key='id') }}
select id, rent from {{ ref('stg_stalls') }}
