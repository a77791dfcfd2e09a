// Lists the operations of the OpenAPI document; text only, nothing from outside.
const add = (parent, tag, text) => {
  const element = document.createElement(tag);
  element.textContent = (text || "").replaceAll("`", "");
  parent.append(element);
  return element;
};
const list = document.getElementById("operations");
fetch("openapi.json").then((answer) => answer.json()).then((document_) => {
  for (const [path, item] of Object.entries(document_.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      if (!operation.responses) continue;
      const details = add(list, "details");
      add(details, "summary", method.toUpperCase() + " " + path + (operation.summary ? " · " + operation.summary : ""));
      if (operation.description) add(details, "p", operation.description);
      const table = add(details, "table");
      for (const [status, answer] of Object.entries(operation.responses)) {
        const row = add(table, "tr");
        add(row, "td", status);
        add(row, "td", answer.description);
      }
    }
  }
}).catch((error) => add(list, "p", "The document could not be read: " + error));
