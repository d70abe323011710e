// A component of another toolchain: jco.

export const basket = {
  total(items, wishes) {
    const sum = items.reduce((sum, item) => sum + item.price * item.count, 0);
    return sum + (wishes.express ? 5 : 0);
  },
  pay(how, amount) {
    if (how.tag === "card") return `${amount} by card ${how.val}`;
    throw "no change for cash";
  },
};

export function initial(name) {
  return name === "" ? undefined : [...name][0];
}
