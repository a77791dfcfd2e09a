// Shows the OpenAPI document: for each operation its parameters, bodies, answers and an example. Text only, nothing from
// outside. What is folded is filled when it is opened.
const add = (parent, tag, text, kind) => {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  if (kind) element.className = kind;
  parent.append(element);
  return element;
};

// Text with its `code` as code.
const prose = (parent, tag, text) => {
  const element = add(parent, tag);
  (text || "").split("`").forEach((part, n) => (n % 2 ? add(element, "code", part) : element.append(part)));
  return element;
};

const fold = (parent, fill) => {
  const details = add(parent, "details");
  const summary = add(details, "summary");
  details.addEventListener("toggle", () => fill(details), { once: true });
  return [details, summary];
};

const show = (api) => {
  const at = (value) =>
    value && value.$ref ? value.$ref.slice(2).split("/").reduce((place, name) => place[name], api) : value || {};
  const name = (schema) => schema.$ref && schema.$ref.split("/").pop();
  const choices = (schema) => schema.oneOf || schema.anyOf;

  // What a value is, in words.
  const kind = (schema) => {
    if (schema.$ref) return at(schema).enum ? kind(at(schema)) : name(schema);
    if (choices(schema)) return choices(schema).map(kind).join(" or ");
    if (schema.enum) return schema.enum.map((word) => JSON.stringify(word)).join(" or ");
    if (schema.format === "binary") return "bytes";
    if (schema.type === "array") return "list of " + kind(schema.items || {});
    if (!schema.type) return "any JSON";
    const types = [schema.type].flat().join(" or ");
    return schema.format && !/^int|double/.test(schema.format) ? types + " (" + schema.format + ")" : types;
  };
  const bounds = (schema) => {
    const parts = [];
    if (schema.minimum !== undefined && schema.maximum !== undefined) parts.push(schema.minimum + " to " + schema.maximum);
    if (schema.maxLength) parts.push("at most " + schema.maxLength.toLocaleString("en") + " characters");
    if (schema.format === "binary" && parts.length) parts[parts.length - 1] = parts[parts.length - 1].replace("characters", "bytes");
    if (schema.maxItems) parts.push("at most " + schema.maxItems.toLocaleString("en"));
    if (schema.pattern) parts.push(schema.pattern);
    return parts.join(", ");
  };

  const limits = (parent, schema) => bounds(schema) && add(add(parent, "p", "", "quiet"), "code", bounds(schema));

  // A value as it may look: what is always there, and null where that may be.
  const sample = (schema) => {
    const real = at(schema);
    const given = real.example ?? (real.examples || [])[0] ?? (real.enum || [])[0];
    if (given !== undefined) return given;
    if (choices(real)) return choices(real).some((one) => one.type === "null") ? null : sample(choices(real)[0]);
    const types = [real.type].flat();
    if (types.includes("null")) return null;
    if (real.properties) {
      const always = Object.entries(real.properties).filter(([title]) => (real.required || []).includes(title));
      return Object.fromEntries(always.map(([title, of]) => [title, sample(of)]));
    }
    const formats = { uuid: "0193a5c2-7b1e-7c4d-9f00-3b1d0c2e8a11", "date-time": "2026-11-21T09:00:00.120Z" };
    const plain = { string: formats[real.format] || "...", integer: real.minimum || 0, number: 0.5, boolean: true, object: {} };
    return real.type === "array" ? [sample(real.items || {})] : plain[types[0]] ?? null;
  };

  // A name with what it is; below it what it means, and what it holds.
  const member = (list, title, schema, { required, about, example, where }) => {
    const item = add(list, "li");
    const head = add(item, "p");
    add(head, "code", title, "term");
    head.append(" ");
    add(head, "span", [where, kind(schema), required && "required"].filter(Boolean).join(", "), "quiet");
    const real = at(schema);
    const text = about || schema.description || (schema.oneOf || []).map((one) => one.description).find(Boolean);
    if (text) prose(item, "p", text);
    if (!schema.$ref) limits(item, schema);
    const given = example ?? (real.examples || [])[0] ?? real.example;
    if (given !== undefined) {
      const line = add(item, "p", "Example: ", "quiet");
      add(line, "code", typeof given === "string" ? given : JSON.stringify(given));
    }
    inside(item, schema);
  };

  // The members of whatever can be opened.
  const inside = (parent, schema) => {
    for (const one of choices(schema) || [schema.type === "array" ? schema.items || {} : schema]) {
      const real = at(one);
      if (choices(real) && real !== schema) {
        const [, summary] = fold(parent, (details) => inside(details, real));
        summary.append(kind(one));
      } else if (real.properties) {
        const [, summary] = fold(parent, (details) => members(details, real));
        summary.append(name(one) || "Members");
      } else if (one.$ref && !real.enum) {
        const [, summary] = fold(parent, (details) => {
          prose(details, "p", real.description);
          limits(details, real);
        });
        summary.append(name(one));
      }
    }
  };

  const members = (parent, schema) => {
    const list = add(parent, "ul", "", "members");
    const required = (title) => (schema.required || []).includes(title);
    for (const first of [true, false]) {
      for (const [title, of] of Object.entries(schema.properties)) {
        if (required(title) === first) member(list, title, of, { required: first });
      }
    }
  };

  // By media type; bytes of any are said once.
  const bodies = (parent, content) => {
    const media = Object.keys(content);
    for (const of of media.filter((of) => of !== "*/*")) {
      const schema = content[of].schema || {};
      const any = of === "application/octet-stream" && media.includes("*/*");
      const line = add(parent, "p");
      add(line, "code", any ? "any media type" : of);
      line.append(" " + kind(schema) + (bounds(schema) ? ", " + bounds(schema) : ""));
      if (at(schema).properties || choices(at(schema))) {
        const [, summary] = fold(parent, (details) =>
          add(details, "pre", JSON.stringify(content[of].example ?? sample(schema), null, 2)));
        summary.append("Example");
      }
      inside(parent, schema);
    }
  };

  const curl = (method, path, operation) => {
    const parts = ["curl -i"];
    if (method !== "get" && !(method === "post" && operation.requestBody)) parts.push("-X " + method.toUpperCase());
    parts.push("'" + new URL(".", location.href).href.slice(0, -1) + path.replace(/{(\w+)}/g, (_, part) => part.toUpperCase()) + "'");
    const content = at(operation.requestBody).content || {};
    if (content["application/json"]) {
      parts.push("-H 'Content-Type: application/json'");
      parts.push("-d '" + JSON.stringify(content["application/json"].example ?? {}) + "'");
    } else if (operation.requestBody) {
      parts.push("-H 'Content-Type: application/octet-stream' --data-binary @FILE");
    }
    return parts.join(" \\\n  ");
  };

  const answer = (parent, status, said) => {
    const real = at(said);
    const [, summary] = fold(parent, (details) => {
      if (said.$ref && real.description) prose(details, "p", real.description);
      const headers = Object.entries(real.headers || {});
      if (headers.length) add(details, "h4", "Headers");
      const list = add(details, "ul", "", "members");
      for (const [title, header] of headers) {
        const { schema, description, example } = at(header);
        member(list, title, schema || {}, { about: description, example });
      }
      if (real.content) add(details, "h4", "Body");
      bodies(details, real.content || {});
    });
    add(summary, "code", status, "term");
    summary.append(" ");
    prose(summary, "span", said.description || real.description);
  };

  const operation = (parent, method, path, said) => {
    const [details, summary] = fold(parent, (details) => {
      if (said.description) prose(details, "p", said.description);
      const open = said.security && !said.security.length;
      const token = open ? "Needs no token." : "Needs the token, where the server has one.";
      add(details, "p", token + " Generated clients call it " + said.operationId + ".", "quiet");
      add(details, "pre", curl(method, path, said));
      if (said.parameters) {
        add(details, "h3", "Parameters");
        const list = add(details, "ul", "", "members");
        for (const one of said.parameters.map(at)) {
          const { schema, description, example, required } = one;
          member(list, one.name, schema || {}, { required, about: description, example, where: one.in });
        }
      }
      if (said.requestBody) {
        add(details, "h3", "Body");
        if (at(said.requestBody).description) prose(details, "p", at(said.requestBody).description);
        bodies(details, at(said.requestBody).content);
      }
      add(details, "h3", "Answers");
      for (const [status, one] of Object.entries(said.responses)) answer(details, status, one);
    });
    details.id = said.operationId;
    details.className = "operation";
    add(summary, "span", method.toUpperCase(), "method " + method);
    add(summary, "code", path, "term");
    prose(summary, "span", said.summary);
  };

  const list = document.getElementById("operations");
  for (const tag of api.tags) {
    add(list, "h2", tag.name + ": " + tag.description);
    for (const [path, item] of Object.entries(api.paths)) {
      for (const [method, said] of Object.entries(item)) {
        if ((said.tags || []).includes(tag.name)) operation(list, method, path, said);
      }
    }
  }
  const meant = location.hash && document.getElementById(location.hash.slice(1));
  if (meant) {
    meant.open = true;
    meant.scrollIntoView();
  }
};

fetch("openapi.json")
  .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(String(answer.status)))))
  .then(show)
  .catch((error) => add(document.getElementById("operations"), "p", "The document could not be read: " + error));
