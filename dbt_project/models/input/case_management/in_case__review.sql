{{ empty_input({
    'review_key': 'string', 'source_person_key': 'string', 'episode_key': 'string', 'due_on': 'date',
    'done_on': 'date',
}) }}
