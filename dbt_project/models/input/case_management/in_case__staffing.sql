{{ empty_input({
    'staffing_key': 'string', 'service_key': 'string', 'role_code': 'string', 'month_on': 'date',
    'fte_established': 'decimal(9,2)', 'fte_in_post': 'decimal(9,2)',
}) }}
