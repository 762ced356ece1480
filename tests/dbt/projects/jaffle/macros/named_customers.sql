{% test named_customers(model) %}
select * from {{ model }} where customer_name is null
{% endtest %}
