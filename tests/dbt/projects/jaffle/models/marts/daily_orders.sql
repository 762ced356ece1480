{#- A microbatch model: dbt reports each of its batches, and then the model. It has one batch, today's. #}
{{ config(
    materialized='incremental',
    incremental_strategy='microbatch',
    event_time='day',
    batch_size='day',
    begin=modules.datetime.datetime.now(modules.pytz.utc).strftime('%Y-%m-%d'),
) }}
select current_timestamp::timestamp as day, order_id from {{ ref('stg_orders') }}
{% if env_var('JAFFLE_BREAK', '') %}where no_such_column{% endif %}
