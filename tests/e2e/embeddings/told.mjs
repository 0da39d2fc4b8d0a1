// What these programs print: a line for each search, with the texts that were found, best first.
export const QUESTIONS = process.argv.slice(2);
export const { QDRANT_URL, OPENSEARCH_URL } = process.env;
export const LIMIT = 5;

export const tell = (search, question, texts) => console.log(JSON.stringify({ search, question, texts }));

export const tellAnswer = (answer) => console.log(JSON.stringify({ answer }));
