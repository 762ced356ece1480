select * from {{ ref('customers') }} where total < 0 {% if env_var('JAFFLE_BREAK', '') or env_var('JAFFLE_BREAK_TEST', '') %}or true{% endif %}
