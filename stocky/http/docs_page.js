// Relative to this file, under any base path. The validator is a service on the internet, so it is off.
const url = new URL("../../api/v1/openapi.json", document.currentScript.src).href;
SwaggerUIBundle({ url, dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null });
