// Asks before what cannot be undone.

interface Question {
  text: string;
  answer: (isSure: boolean) => void;
}

let question = $state.raw<Question>();

export function openDoubt(): Question | undefined {
  return question;
}

/** What somebody answers, in a dialog of the page's own. */
export async function sure(text: string): Promise<boolean> {
  const isSure = await new Promise<boolean>((answer) => (question = { text, answer }));
  question = undefined;
  return isSure;
}
