{{ config(enabled=env_var('MARKET_SLEEPER', '') == 'yes') }}
select 1 as one, pg_sleep(3600)::text as slept
