// What a person decides on calls of tools that wait for it.

/**
 * Notes what this button says. Gives all decisions of its reply once there is one for each
 * call that waits, and null before: they are sent together.
 */
export function decide(button) {
  const choice = button.closest("[data-approval]");
  for (const other of choice.querySelectorAll("[data-approve]")) {
    other.setAttribute("aria-pressed", other === button);
  }
  const waiting = [...button.closest("[data-message]").querySelectorAll("[data-approval]")];
  const approvals = waiting.map((call) => ({
    id: call.dataset.approval,
    approved: call.querySelector("[aria-pressed=true]")?.dataset.approve,
  }));
  if (approvals.some(({ approved }) => !approved)) {
    return null;
  }
  return approvals.map(({ id, approved }) => ({ id, approved: approved === "yes" }));
}
