"""What the SDKs' types are generated from: the OpenAPI documents without what a type cannot say.

A document is written to check requests with: a number may come as text, and fields depend on one another. Types made
of that are hard to read and to use. Here such rules are left out (the server has them), every object gets a name, and
so do the query parameters of each operation.
"""

# The public documents by the name of their vocabulary. `partner.json` is a part of `integration.json`.
DOCUMENTS = {"orders": "orders.json", "partner": "integration.json"}
METHODS = ("get", "post", "put", "patch", "delete")
REFERENCE = "#/components/schemas/"
# Rules and samples, which say nothing about the type.
NOT_OF_A_TYPE = {"pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems"}
NOT_OF_A_TYPE |= {"default", "example", "examples"}


def shaped(document):
    """The document that types are made from."""
    schemas = {name: schema_type(schema) for name, schema in document["components"]["schemas"].items()}
    for name in list(schemas):
        name_objects(schemas, name)
    schemas |= thin_events(schemas)
    paths = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operation = item[method]
                query = query_schema(operation, item)
                if query is not None:
                    schemas[query_name(operation)] = query
                paths.setdefault(path, {})[method] = operation_types(operation)
    return {
        "openapi": document["openapi"],
        "info": document["info"],
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def schema_type(schema):
    """A schema without its rules; choices by rule become what they have in common."""
    if isinstance(schema, list):
        return [schema_type(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: value for name, value in schema.items() if name not in NOT_OF_A_TYPE}
    if "properties" in kept:
        # Further members beside named ones: a typed dictionary cannot have them.
        kept.pop("additionalProperties", None)
    if "anyOf" in kept:
        choices = kept.pop("anyOf")
        if "properties" not in kept:
            kept |= one_choice(choices)
    return {name: properties(value) if name == "properties" else nested(name, value) for name, value in kept.items()}


def properties(named):
    return {name: schema_type(schema) for name, schema in named.items()}


def nested(name, value):
    return schema_type(value) if isinstance(value, (dict, list)) and name != "enum" else value


def one_choice(choices):
    """A value that is read in several spellings: the first is how we write it, and null where that is allowed."""
    first = {name: value for name, value in choices[0].items() if name not in NOT_OF_A_TYPE}
    first.setdefault("type", "string")
    if any(choice.get("type") == "null" for choice in choices):
        first["type"] = [first["type"], "null"]
    return first


def name_objects(schemas, owner):
    """Gives the objects within the properties of a schema names of their own: `OrderCreatedEvent.data` becomes
    `OrderCreatedEventData`."""
    for field, schema in schemas[owner].get("properties", {}).items():
        if schema.get("type") == "object" and "properties" in schema:
            name = owner + "".join(word.capitalize() for word in field.split("_"))
            assert name not in schemas, f"{name} is the name of two schemas"
            schemas[name] = schema
            schemas[owner]["properties"][field] = {"$ref": REFERENCE + name}
            name_objects(schemas, name)


def thin_events(schemas):
    """The union of what an endpoint with `payload: thin` is sent. An event without a thin form is the same in both."""
    unions = {}
    for union in ("WebhookEvent", "OrdersWebhookEvent"):
        if union in schemas:
            full = [one["$ref"].removeprefix(REFERENCE) for one in schemas[union]["oneOf"]]
            thin = [name.removesuffix("Event") + "ThinEvent" for name in full]
            chosen = [small if small in schemas else large for large, small in zip(full, thin)]
            unions["Thin" + union] = {
                "description": "Any event that an endpoint with `payload: thin` may be sent.",
                "oneOf": [{"$ref": REFERENCE + name} for name in chosen],
            }
    return unions


def query_name(operation):
    name = operation["operationId"]
    return name[0].upper() + name[1:] + "Query"


def query_schema(operation, item):
    """The query parameters of an operation as one object; lists may be given as lists."""
    both = item.get("parameters", []) + operation.get("parameters", [])
    parameters = [one for one in both if one.get("in") == "query"]
    if not parameters:
        return None
    described = {one["name"]: parameter_type(one) for one in parameters}
    required = [one["name"] for one in parameters if one.get("required")]
    return {"type": "object", "properties": described, "required": required}


def parameter_type(parameter):
    schema = schema_type(parameter["schema"])
    if "description" in parameter:
        schema["description"] = parameter["description"].replace(", separated by commas", "")
    if parameter["name"] in ("event_types", "eventTypes"):
        schema["type"] = "array"
        schema["items"] = {"type": "string"}
    return schema


def operation_types(operation):
    """What an operation takes and answers, without its errors and headers."""
    kept = {"operationId": operation["operationId"], "responses": {}}
    if "requestBody" in operation:
        body = operation["requestBody"]
        kept["requestBody"] = {"required": body.get("required", False), "content": content_types(body["content"])}
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            kept["responses"][status] = {"description": response["description"]}
            if "content" in response:
                kept["responses"][status]["content"] = content_types(response["content"])
    return kept


def content_types(content):
    return {media: {"schema": schema_type(one["schema"])} for media, one in content.items()}
